# What the units of the load run: writes down when it starts, that it is alive, and when it ends. Not a single fork.
#   stamp.sh run UNIT TEXT      (TEXT: the number of the unit file's text)
#   stamp.sh stopped            (all of the unit's processes have ended: ExecStopPost=)
# Stamps are seconds of CLOCK_BOOTTIME, which all hosts of a lab share. INVOCATION_ID, systemd's, is the run's name.
stamps=${STAMPS:-/srv/fleet-lab/stamps}
stamp() {
    read -r now _ </proc/uptime
    echo "$now $*" >>"$stamps"
}
if [ "$1" = stopped ]; then
    stamp stopped "$INVOCATION_ID"
    exit
fi
trap 'stamp ending "$INVOCATION_ID"; exit 0' TERM
stamp started "$INVOCATION_ID" "$2" "$3" "${FLEET_EPOCH:-0}"
exec {never}<> <(:)
while :; do
    read -r -t 0.2 -u "$never"
    stamp alive "$INVOCATION_ID"
done
