# The base image with fleetpy's dependencies and what makes it a host of the lab. Built without network.
ARG BASE
FROM ${BASE} AS build
LABEL org.fleetpy.lab.image=build
COPY kit /usr/lib/fleet-kit
RUN sh /usr/lib/fleet-kit/provision.sh dependencies && rm -r /usr/lib/fleet-kit/wheels

ARG BASE
FROM ${BASE}
COPY --from=build /opt/fleetpy /opt/fleetpy
COPY --from=build /usr/lib/fleet-kit /usr/lib/fleet-kit
COPY container /usr/lib/fleet-container
# The keys are this image's, and so this machine's, alone.
RUN sh /usr/lib/fleet-kit/provision.sh keys && \
    sh /usr/lib/fleet-kit/provision.sh system && \
    rm -r /usr/lib/fleet-kit/keys && \
    sh /usr/lib/fleet-container/prepare.sh
