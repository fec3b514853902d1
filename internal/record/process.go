// Process: which process a node is

package record

// Process identifies the process of a node to other processes on the same machine. The zero
// value says nothing: the node's system does not tell.
type Process struct {
	// Host names one boot of a machine and, in it, one space of process IDs: a container has
	// its own.
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Start is when the process started, in the system's own unit. Process IDs are used again.
	Start uint64 `json:"start"`
}

// Near reports whether a process with the identity p can look whether other still runs.
func (p Process) Near(other Process) bool { return p.Host != "" && p.Host == other.Host }
