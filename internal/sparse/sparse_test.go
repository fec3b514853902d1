package sparse

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// logger returns a bounded logger without times, and what it has written since it
// was asked last.
func logger() (*slog.Logger, func() []string) {
	var out buffer
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: noTime})), "node", "a")
	return log, func() []string {
		out.mu.Lock()
		defer out.mu.Unlock()
		defer out.b.Reset()
		return strings.FieldsFunc(out.b.String(), func(r rune) bool { return r == '\n' })
	}
}

func TestAFloodIsAFewLinesASecondAndACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, written := logger()
		for range 3 { // seconds
			for i := range 1000 {
				log.With("x", "y").Warn("flood", "i", i)
			}
			if got := written(); len(got) != PerSecond || got[0] != "level=WARN msg=flood node=a x=y i=0" {
				t.Errorf("a flood wrote %d lines, want %d: %q", len(got), PerSecond, got)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got, want := written(), fmt.Sprintf("level=WARN msg=flood node=a skipped=%d", 1000-PerSecond); len(got) != 1 || got[0] != want {
				t.Errorf("a second later: %q, want %q", got, want)
			}
		}
	})
}

func TestAFloodThatGoesOnIsBoundedInEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, written := logger()
		total := 0
		for range 10 {
			for range 100 {
				log.Error("flood")
				time.Sleep(10 * time.Millisecond)
				total++
			}
			synctest.Wait()
			lines := written()
			if len(lines) > PerSecond+1 {
				t.Errorf("%d lines in a second", len(lines))
			}
			total -= standFor(lines)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		total -= standFor(written())
		if total != 0 {
			t.Errorf("%d lines were neither written nor counted", total)
		}
	})
}

// standFor is how many lines were to be written in place of these.
func standFor(lines []string) (n int) {
	for _, line := range lines {
		skipped := 1
		_, _ = fmt.Sscanf(line, "level=ERROR msg=flood node=a skipped=%d", &skipped) // otherwise it stands for itself
		n += skipped
	}
	return n
}

func TestMessagesAreBoundedApartAndLevelsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, written := logger()
		for range 10 * PerSecond {
			log.Warn("flood")
		}
		written()
		log.Warn("another")
		log.Error("flood")
		if got := written(); len(got) != 2 {
			t.Errorf("beside a flood: %q, want both lines", got)
		}
		Flush(log)
		written()
	})
}

func TestFlushSaysAtOnceAndNothingIsWrittenBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, written := logger()
		for range PerSecond + 7 {
			log.Warn("flood")
		}
		written()
		Flush(log.With("x", "y"))
		if got := written(); len(got) != 1 || !strings.HasSuffix(got[0], "skipped=7") {
			t.Errorf("Flush wrote %q, want that 7 were skipped", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := written(); len(got) != 0 {
			t.Errorf("behind Flush: %q", got)
		}
	})
}

// The messages of others need not be constants.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, written := logger()
		for i := range 10 * maxMessages {
			log.Warn(fmt.Sprint("message ", i))
		}
		if got := len(written()); got > maxMessages+PerSecond {
			t.Errorf("%d lines of as many messages were written", got)
		}
		h := log.Handler().(*handler)
		if n := len(h.bound.windows); n > maxMessages+4 { // one for each level
			t.Errorf("%d messages are remembered", n)
		}
		Flush(log)
	})
}

func TestOneBoundHoweverOftenItIsAskedFor(t *testing.T) {
	log, _ := logger()
	if New(log) != log {
		t.Error("New has made another bound of a bounded logger")
	}
}

func TestAnApplicationsLinesAreNotBounded(t *testing.T) {
	log, written := logger()
	for range 100 {
		Raw(log.With("x", "y")).Warn("mine")
	}
	if got := written(); len(got) != 100 || got[0] != "level=WARN msg=mine node=a x=y" {
		t.Errorf("an application wrote %d lines, want 100 such as %q", len(got), got[0])
	}
	plain := slog.New(slog.DiscardHandler)
	if Raw(plain) != plain {
		t.Error("Raw changes a logger that has no bound")
	}
	Flush(plain)
}

func TestAnEntityIsSpeltOneWayAndALongKeyIsCut(t *testing.T) {
	log, written := logger()
	log.Warn("x", Entity("account", uint32(7), "user-1"))
	log.With(Entity("account", 7, "user-1")).Warn("x")
	log.Warn("x", Entity("", 7, strings.Repeat("k", 1000)))
	log.Warn("x", Entity("account", 0, ""))
	want := []string{
		"level=WARN msg=x node=a kind=account shard=7 key=user-1",
		"level=WARN msg=x node=a kind=account shard=7 key=user-1",
		`level=WARN msg=x node=a shard=7 key="` + strings.Repeat("k", maxKey) + `... (1000 bytes)"`,
		"level=WARN msg=x node=a kind=account shard=0",
	}
	if got := written(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestALongPanicIsCut(t *testing.T) {
	log, written := logger()
	log.Error("panicked", Panic(strings.Repeat("v", 1<<20)))
	line := strings.Join(written(), "")
	if len(line) > 2*(maxPanic+maxStack) || !strings.Contains(line, "vvv... (1048576 bytes)") || !strings.Contains(line, "TestALongPanicIsCut") {
		t.Errorf("a line of %d bytes: %.100q", len(line), line)
	}
}
