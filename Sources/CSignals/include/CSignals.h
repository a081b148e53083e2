/// Signals, handled with nothing but what a signal handler may call.
#ifndef CSIGNALS_H
#define CSIGNALS_H

/// From now on SIGINT, SIGTERM and SIGHUP are remembered, those that were ignored at the start excepted; a second one ends
/// the process at once.
void csg_watch(void);

/// The first signal that was remembered; 0: none.
int csg_received(void);

/// Ends the process by a signal, as if it had not been handled.
_Noreturn void csg_end_by(int signal);

/// A fault on a mapped file that was cut ends the process with `line`, of at most 255 bytes, on standard error and `status`.
void csg_catch_bus_errors(const char *line, int status);

#endif
