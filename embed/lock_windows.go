// The lock on Windows

package embed

import (
	"os"
	"syscall"
)

// errTaken: another has the lock (ERROR_SHARING_VIOLATION).
const errTaken = syscall.Errno(32)

// exclusively opens a file that no other has opened so. Others may read it.
func exclusively(name string) (*os.File, error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.FILE_SHARE_READ, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(h), name), nil
}
