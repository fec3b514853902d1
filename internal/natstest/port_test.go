package natstest

import "testing"

// TestPortsDiffer: a test that has a port and does not listen yet loses it to no other test.
func TestPortsDiffer(t *testing.T) {
	had := map[int]bool{}
	for range 100 {
		port := FreePort(t)
		if had[port] {
			t.Fatalf("port %d is given twice", port)
		}
		had[port] = true
		if _, err := hold(port); err == nil {
			t.Fatalf("port %d is given again while a test has it", port)
		}
	}
}

// TestPortsComeBack: a port is free again when its test is over.
func TestPortsComeBack(t *testing.T) {
	var port int
	t.Run("has it", func(t *testing.T) { port = FreePort(t) })
	release, err := hold(port)
	if err != nil {
		t.Fatal(err)
	}
	release()
}
