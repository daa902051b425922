// Package dirstore keeps the values of package shared in a directory, for the processes of one machine:
//
//	dir, err := os.UserCacheDir()
//	...
//	store := &dirstore.Store{Dir: filepath.Join(dir, "stschain")}
//
// It runs on Linux, macOS and Windows. On other Unix systems AllowNetwork must be set, because they are not examined
// for network file systems. Where files cannot be locked (js, wasip1), every method returns an error.
//
// # Who can read what
//
// The values are sealed by shared.Provider; a Store never has the key. File names are keyed hashes. The directory is made with
// mode 0700 and its files with 0600. A directory is refused if it is a symbolic link, belongs to another user, or can be
// written by other users. On Windows owner and permissions are not examined: use a directory below the user's
// profile, whose permissions are inherited.
//
// A key that is stored next to the directory protects nothing from this user, from root, or from a backup that has both. Keep the
// key in a keychain or another secret store, or exclude the directory from backups. Processes of other users share
// nothing through a directory; use an engine with access control, such as adapter/valkeystore.
//
// # Leases
//
// A lease ends with its time, or when the process that has it ends, however it ends: the lease is bound to a file lock,
// which the system releases. A lease that is kept for a pause does not end with its process, or a command
// that is refused and run again every second would call STS every second.
//
// # Time
//
// The store's clock is the wall clock of the machine, since it must go on while the machine is suspended or restarted.
// If it is set back, a lease or value that begins in the future has ended, and otherwise none lasts
// longer than the time it was made for. If it is set forward, they end early: this costs a call of STS.
//
// # Files
//
// Each key has a directory with the current file, which is immutable: a change is written to a new file, synced, and becomes
// the current one when a pointer is renamed. That succeeds for only one of the processes that read the same file, so
// no process waits for another one, and one that is stopped or killed at any moment blocks nothing. What it left is removed
// with the next change. Keys that were not used for a week are removed.
//
// The processes must see the same files and locks. A network file system is refused unless AllowNetwork is set,
// because locks and renames on it may not be atomic between machines. So are FUSE and the shared folders of virtual
// machines, which may be either.
package dirstore
