// The lock on Unix

//go:build unix

package embed

import (
	"os"
	"syscall"
)

// errTaken: another has the lock.
const errTaken = syscall.EWOULDBLOCK

// exclusively opens a file that no other has opened so.
func exclusively(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
