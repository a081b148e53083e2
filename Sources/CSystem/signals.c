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

enum { path_limit = 8 };
static char paths[path_limit][4096];
static volatile sig_atomic_t path_count;
static volatile sig_atomic_t ends_at_once;
static char ending_line[128];
static char ending_events[3][96];
static const int requests[] = {SIGINT, SIGTERM, SIGHUP};

// Only calls that a handler may make.
static void write_all(int descriptor, const char *text) {
  size_t length = strlen(text);
  while (length > 0) {
    ssize_t count = write(descriptor, text, length);
    if (count <= 0) return;
    text += count;
    length -= (size_t)count;
  }
}

static void end_at_once(int number) {
  for (int i = 0; i < path_count; i++) {
    if (unlink(paths[i]) != 0) (void)rmdir(paths[i]);
  }
  write_all(2, ending_line);
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    if (requests[i] == number) write_all(1, ending_events[i]);
  }
  csg_end_by(number);
}

static void remember(int number) {
  if (ends_at_once) end_at_once(number);
  if (received == 0) {
    received = number;
    return;
  }
  set_default(number);
  // Blocked until this handler returns.
  raise(number);
}

void csg_watch(void) {
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    struct sigaction action;
    if (sigaction(requests[i], NULL, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    memset(&action, 0, sizeof action);
    action.sa_handler = remember;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(requests[i], &action, NULL);
    // A launcher's thread that blocks signals hands its mask down: the request to end would never come.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, requests[i]);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
  }
}

int csg_received(void) { return received; }

void csg_set_ending(const char *line) { strncpy(ending_line, line, sizeof ending_line - 1); }

void csg_set_ending_event(int number, const char *event) {
  for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    if (requests[i] == number) strncpy(ending_events[i], event, sizeof ending_events[i] - 1);
  }
}

int csg_remove_at_end(const char *path) {
  if (path_count == path_limit || strlen(path) >= sizeof paths[0]) return -1;
  strcpy(paths[path_count], path);
  // The handler sees whole paths alone.
  path_count++;
  return 0;
}

void csg_end_at_once(int whether) {
  ends_at_once = whether;
  if (!whether) path_count = 0;
  if (whether && received != 0) end_at_once(received);
}

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
