// Package command has the messages with an ID that a key has carried out: which the key knows, which go into its
// record, and which beside it. It has no lock and no clock, and does no I/O.
package command
