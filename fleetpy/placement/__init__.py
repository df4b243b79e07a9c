"""The rules of placement, one small class per option: may this machine have this unit, and in words why not.

A rule has three faces (after swarmkit's scheduler filters): `applies` tells whether it says anything about a unit,
`check` whether one machine passes, and what `check` returns otherwise is a `Refusal`, which counts and adds up into a
sentence: "3 machines lack region=eu; 1 runs web@1.service, which conflicts".
"""
