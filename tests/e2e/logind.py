"""A systemd-logind as far as inhibitor locks go, on a message bus of its own (the real dbus-daemon). Run as: logind.py FOLDER.
Appends a line to FOLDER/log for what it was asked; a line in FOLDER/say (a FIFO) makes it say something: "shutdown" or "cancel"."""
import os
import select
import sys

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

LOGIND = DBusAddress("/org/freedesktop/login1", "org.freedesktop.login1", "org.freedesktop.login1.Manager")
DELAY_US = 120 * 1000 * 1000


def main(folder):
    bus = open_dbus_connection(bus=f"unix:path={folder}/bus", enable_fds=True)
    bus.send_and_get_reply(message_bus.RequestName("org.freedesktop.login1"))
    say = os.open(f"{folder}/say", os.O_RDWR)
    locks = []  # the ends that tell when the other is closed
    note = open(f"{folder}/log", "a", buffering=1)
    note.write("ready\n")
    while True:
        for fd in select.select([bus.sock, say, *locks], [], [])[0]:
            if fd in locks:
                locks.remove(fd)
                os.close(fd)
                note.write("released\n")
            elif fd == say:
                word = os.read(say, 100).decode().strip()
                bus.send(new_signal(LOGIND, "PrepareForShutdown", "b", (word == "shutdown",)))
            else:
                answer(bus, bus.receive(), locks, note)


def answer(bus, asked, locks, note):
    if asked.header.message_type != MessageType.method_call:
        return
    member = asked.header.fields[HeaderFields.member]
    if member == "Get" and asked.body == ("org.freedesktop.login1.Manager", "InhibitDelayMaxUSec"):
        bus.send(new_method_return(asked, "v", (("t", DELAY_US),)))
    elif member == "Inhibit":
        ours, theirs = os.pipe()
        locks.append(ours)
        bus.send(new_method_return(asked, "h", (theirs,)))
        os.close(theirs)
        note.write("inhibit " + " | ".join(asked.body) + "\n")
    else:
        bus.send(new_error(asked, "org.freedesktop.DBus.Error.UnknownMethod"))


main(sys.argv[1])
