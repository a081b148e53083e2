#include "CSignals.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t received;
static char bus_line[256];
static volatile sig_atomic_t bus_status;

static void set_default(int number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

static void remember(int number) {
  if (received == 0) {
    received = number;
    return;
  }
  set_default(number);
  // Blocked until this handler returns.
  raise(number);
}

void csg_watch(void) {
  const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    struct sigaction action;
    if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    memset(&action, 0, sizeof action);
    action.sa_handler = remember;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(numbers[i], &action, NULL);
    // A launcher's thread that blocks signals hands its mask down: the request to end would never come.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, numbers[i]);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
  }
}

int csg_received(void) { return received; }

_Noreturn void csg_end_by(int number) {
  set_default(number);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  kill(getpid(), number);
  _exit(128 + number);
}

static void report_bus_error(int number) {
  (void)number;
  ssize_t count = write(2, bus_line, strlen(bus_line));
  (void)count;
  _exit(bus_status);
}

void csg_catch_bus_errors(const char *line, int status) {
  strncpy(bus_line, line, sizeof bus_line - 1);
  bus_status = status;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = report_bus_error;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}
