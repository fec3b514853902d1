package show

import (
	"errors"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// StartNATS starts a NATS server with JetStream in this process, on a free port of
// the loopback interface. stop ends it and removes its files.
func StartNATS() (url string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return "", nil, err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.Start()
	stop = func() {
		s.Shutdown()
		s.WaitForShutdown()
		_ = os.RemoveAll(dir) // below the directory for what is temporary
	}
	if !s.ReadyForConnections(5 * time.Second) {
		stop()
		return "", nil, errors.New("the NATS server does not take connections")
	}
	return s.ClientURL(), stop, nil
}
