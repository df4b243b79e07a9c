# A host: fleetpy itself on top of its dependencies. Built without network, in seconds, whenever the code has changed.
ARG DEPENDENCIES
FROM ${DEPENDENCIES}
COPY wheel /tmp/wheel
COPY units /usr/lib/systemd/system
RUN /opt/fleetpy/bin/pip install --quiet --no-cache-dir --no-index --no-deps --disable-pip-version-check /tmp/wheel/*.whl && \
    rm -r /tmp/wheel && \
    ln -s /opt/fleetpy/bin/fleetctl /opt/fleetpy/bin/fleet-agent /opt/fleetpy/bin/fleet-lease /opt/fleetpy/bin/fleet-scheduler \
        /opt/fleetpy/bin/fleet-api /usr/bin/ && \
    systemctl --quiet enable fleet.target
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/lib/fleet-lab/init"]
