package testkit_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/testkit"
)

func TestLoggerStopsWithTheTest(t *testing.T) {
	fake := &fakeTB{}
	log := testkit.Logger(fake, slog.LevelInfo)
	log.Debug("too fine")
	log.Info("during", slog.String("key", "a"))
	fake.end()
	log.Error("after")
	if len(fake.lines) != 1 || !strings.Contains(fake.lines[0], "during") || strings.HasSuffix(fake.lines[0], "\n") {
		t.Fatalf("logged %q", fake.lines)
	}
}
