// What the server says, as lines of the service's log

package embed

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/internal/sparse"
)

var _ server.Logger = (*said)(nil)

// said is what a server says: warnings and errors go to the log, and what has ended its
// start is kept.
type said struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal error
}

func boundedLog(m clstr.Member) *slog.Logger { return sparse.New(m.Log) }

// why is what has ended the start, nil if nothing has.
func (s *said) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fatal
}

func (s *said) Fatalf(format string, v ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fatal = errors.Join(s.fatal, fmt.Errorf(format, v...))
}

func (s *said) Errorf(format string, v ...any) {
	s.log.Error("the NATS server in this process has a problem", slog.String("said", fmt.Sprintf(format, v...)))
}

func (s *said) Warnf(format string, v ...any) {
	s.log.Warn("the NATS server in this process warns", slog.String("said", fmt.Sprintf(format, v...)))
}

func (s *said) Noticef(string, ...any) {}
func (s *said) Debugf(string, ...any)  {}
func (s *said) Tracef(string, ...any)  {}
