// Package process tells which process this is, and whether another process has surely ended.
//
// A node writes into its record which process it is. If it is started anew on the same machine,
// the next process can prove that this one serves nothing any more, and need not wait for the end of
// its lease. Both functions answer from /proc of Linux. On other systems they know nothing.
package process
