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

/// What csg_end_at_once says, on standard error.
void csg_set_ending(const char *line);

/// And on standard output, if the signal is `number`; nothing by default.
void csg_set_ending_event(int number, const char *event);

/// Has csg_end_at_once remove a file, or a folder that is empty then, after those that were named before. 0, or -1 if that are
/// too many or the path is too long.
int csg_remove_at_end(const char *path);

/// Whether a request to end removes the paths above and ends the process by the signal, wherever the work is; otherwise, as at
/// first, it is remembered for the work to notice. Turning it off forgets the paths; turning it on ends the process if a request
/// came before.
void csg_end_at_once(int whether);

#endif
