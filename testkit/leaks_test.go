package testkit_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
)

// waitsHere is a goroutine's function with a name to look for.
func waitsHere(started, end chan struct{}) {
	close(started)
	<-end
}

func TestCheckLeaksReportsWhatIsLeft(t *testing.T) {
	started, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	fake := &fakeTB{}
	testkit.CheckLeaksFor(fake, time.Millisecond, nil)
	go waitsHere(started, end) // ends with the test
	<-started
	wantFailure(t, fake.end(), "waitsHere", "TestCheckLeaksReportsWhatIsLeft")
}

func TestCheckLeaksIgnoresWhatItWasTold(t *testing.T) {
	started, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	fake := &fakeTB{}
	testkit.CheckLeaks(fake, "testkit_test.waitsHere") // it waits for what timers of tests before begin meanwhile
	go waitsHere(started, end)                         // ends with the test
	<-started
	if failures := fake.end(); len(failures) != 0 {
		t.Fatal(failures)
	}
}

func TestCheckLeaksIgnoresWhatWasThereBefore(t *testing.T) {
	started, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	go waitsHere(started, end) // ends with the test
	<-started
	fake := &fakeTB{}
	testkit.CheckLeaks(fake)
	if failures := fake.end(); len(failures) != 0 {
		t.Fatal(failures)
	}
}

func TestCheckLeaksWaitsForWhatIsEnding(t *testing.T) {
	started, end := make(chan struct{}), make(chan struct{})
	fake := &fakeTB{}
	testkit.CheckLeaks(fake)
	go waitsHere(started, end) // ends while the check looks
	<-started
	timer := time.AfterFunc(20*time.Millisecond, func() { close(end) })
	defer timer.Stop()
	if failures := fake.end(); len(failures) != 0 {
		t.Fatal(failures)
	}
}

func TestCheckLeaksRunsAfterLaterCleanups(t *testing.T) {
	testkit.CheckLeaks(t)
	started, end := make(chan struct{}), make(chan struct{})
	go waitsHere(started, end) // ends at the cleanup
	<-started
	t.Cleanup(func() { close(end) })
}

func TestParseStacks(t *testing.T) {
	const two = "goroutine 1 [running]:\nmain.main()\n\t/m.go:1 +0x1\n\ngoroutine 23 [chan receive, 2 minutes]:\nmain.f()\n\t/m.go:2 +0x1\ncreated by main.main in goroutine 1\n\t/m.go:3 +0x1\n"
	gs := testkit.ParseStacks(two)
	if len(gs) != 2 {
		t.Fatalf("got %d goroutines, want 2", len(gs))
	}
}

func TestNATSServerLeavesNothing(t *testing.T) {
	testkit.CheckLeaks(t)
	s := testkit.StartNATSServer(t, nil)
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}
