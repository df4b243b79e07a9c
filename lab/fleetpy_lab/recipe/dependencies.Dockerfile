# The base image with fleetpy's dependencies and what makes it a host of the lab. Built without network.
ARG BASE
FROM ${BASE} AS build
LABEL org.fleetpy.lab.image=build
COPY wheels /wheels
RUN python3 -m venv /opt/fleetpy && \
    /opt/fleetpy/bin/pip install --quiet --no-cache-dir --no-index --find-links=/wheels --requirement=/wheels/requirements.txt

ARG BASE
FROM ${BASE}
COPY --from=build /opt/fleetpy /opt/fleetpy
COPY prepare.sh /usr/lib/fleet-lab/prepare
COPY files /
RUN sh /usr/lib/fleet-lab/prepare
