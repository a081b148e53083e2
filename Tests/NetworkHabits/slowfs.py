#!/usr/bin/env python3
"""Mounts a folder at another place with the habits of a network file system.

slowfs.py BACKING MOUNT [WORD...]: attr=SECONDS, entry=SECONDS and negative=SECONDS are how long the kernel remembers what a name
leads to and that it is absent; delay=SECONDS is waited in each call; nolink refuses hard links; log=FILE gets a count of calls and
bytes at the end and at SIGUSR1. There is no fallocate, locks are those of each mount, and flags of rename are ignored.
Needs PyPI's mfusepy, Debian's fuse3 and /dev/fuse. Ends with `fusermount3 -u MOUNT`.
"""
import errno, os, sys, time, collections, signal
import mfusepy as fuse
opts = dict(a.split("=", 1) if "=" in a else (a, "1") for a in sys.argv[3:])
DELAY = float(opts.get("delay", 0)); count = collections.Counter()
class Pass(fuse.Operations):
    use_ns = True
    def __init__(self, root): self.root = os.path.realpath(root)
    def p(self, path): return self.root + path
    def access(self, path, mode): return 0
    def chmod(self, path, mode): return os.chmod(self.p(path), mode)
    def chown(self, path, uid, gid): return os.chown(self.p(path), uid, gid)
    def getattr(self, path, fh=None):
        st = os.lstat(self.p(path)) if fh is None else os.fstat(fh)
        r = {k: getattr(st, k) for k in ("st_gid", "st_mode", "st_nlink", "st_size", "st_uid", "st_ino", "st_blocks")}
        r.update(st_mtime=st.st_mtime_ns, st_ctime=st.st_ctime_ns, st_atime=st.st_atime_ns); return r
    def readdir(self, path, fh): return [".", ".."] + os.listdir(self.p(path))
    def readlink(self, path): return os.readlink(self.p(path))
    def mknod(self, path, mode, dev): return os.mknod(self.p(path), mode, dev)
    def rmdir(self, path): return os.rmdir(self.p(path))
    def mkdir(self, path, mode): return os.mkdir(self.p(path), mode)
    def unlink(self, path): return os.unlink(self.p(path))
    def symlink(self, name, target): return os.symlink(target, self.p(name))
    def rename(self, old, new): return os.rename(self.p(old), self.p(new))
    def link(self, target, name):
        if "nolink" in opts: raise fuse.FuseOSError(errno.EPERM)
        return os.link(self.p(name), self.p(target))
    def utimens(self, path, times=None): return os.utime(self.p(path), ns=times)
    def statfs(self, path):
        s = os.statvfs(self.p(path)); return {k: getattr(s, k) for k in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_frsize", "f_namemax")}
    def open(self, path, flags): return os.open(self.p(path), flags & ~os.O_APPEND)
    def create(self, path, mode, fi=None): return os.open(self.p(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    def read(self, path, length, offset, fh): count["bytes read"] += length; return os.pread(fh, length, offset)
    def write(self, path, buf, offset, fh): count["bytes written"] += len(buf); return os.pwrite(fh, buf, offset)
    def truncate(self, path, length, fh=None): return os.truncate(self.p(path) if fh is None else fh, length)
    def flush(self, path, fh): return 0
    def release(self, path, fh): return os.close(fh)
    def fsync(self, path, datasync, fh): return os.fsync(fh)
LOG = os.path.abspath(opts["log"]) if "log" in opts else None
def counted(name, f):
    def g(*a):
        count[name] += 1
        if DELAY: time.sleep(DELAY)
        return f(*a)
    return g
for name, f in list(vars(Pass).items()):
    if callable(f) and not name.startswith("_") and name != "p": setattr(Pass, name, counted(name, f))
def report(*_):
    if LOG:
        with open(LOG, "w") as f: f.write(repr(dict(count)) + "\n")
signal.signal(signal.SIGUSR1, report)
fuse.FUSE(Pass(sys.argv[1]), sys.argv[2], foreground=True, nothreads="serial" in opts, max_idle_threads=10, allow_other=True,
          attr_timeout=float(opts.get("attr", 0)), entry_timeout=float(opts.get("entry", 0)), negative_timeout=float(opts.get("negative", 0)), fsname="slowfs")
report()
