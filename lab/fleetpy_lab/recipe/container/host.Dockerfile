# A host: fleetpy itself on top of its dependencies. Built without network, in seconds, whenever the code has changed.
ARG DEPENDENCIES
FROM ${DEPENDENCIES}
COPY kit /usr/lib/fleet-kit
RUN sh /usr/lib/fleet-kit/provision.sh fleetpy && rm -r /usr/lib/fleet-kit/fleetpy
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["sh", "/usr/lib/fleet-container/init.sh"]
