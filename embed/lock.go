// One server at a time in a folder

package embed

import (
	"fmt"
	"os"
	"strings"
)

// lockFile takes a file that no other has, and writes this process's number into it. The
// lock ends when the file is closed, and with the process.
func lockFile(name string) (*os.File, error) {
	f, err := exclusively(name)
	if err == errTaken {
		by, _ := os.ReadFile(name)
		return nil, fmt.Errorf("embed: %w: %s, by process %s: give one embed.Server to all services of a process, and let other processes connect by embed.Options.Listen",
			ErrInUse, name, strings.TrimSpace(string(by)))
	} else if err != nil {
		return nil, fmt.Errorf("embed: %w", err)
	}
	if err = f.Truncate(0); err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("embed: %w", err)
	}
	return f, nil
}
