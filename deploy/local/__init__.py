"""Memo without containers: real servers under one supervisor, on this machine.

__main__        what each command of ./manage_all.sh does
stack           init, up, down, restart, destroy
processes       status, logs, start, stop; whether a program works
manage, rotation, doctor, startservice, backup, restore     one command each
supervisor      the configuration of supervisord, and calls to it
postgres, gateway, application                      the programs that it runs
configure, secretfiles, ports                       what `init` and `up` choose
virtualenv, server_binaries, privileges             what a machine has to have
layout, files, programs, orphans, problems          what all of these use
"""
