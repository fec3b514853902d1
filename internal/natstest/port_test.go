package natstest

import "testing"

// TestPortsDiffer: a test that has a port and does not listen yet loses it to no other test of its process.
func TestPortsDiffer(t *testing.T) {
	had := map[int]bool{}
	for range 1000 {
		port := FreePort(t)
		if had[port] {
			t.Fatalf("port %d is given twice", port)
		}
		had[port] = true
	}
}
