// Sentinels, JetStream's codes

package natsstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/outcome"
)

// What Open finds that waiting does not mend. Others are of package outcome.
var (
	// ErrServerVersion: the server is older than 2.11.
	ErrServerVersion = errors.New("the NATS server is too old")
	// ErrNoJetStream: the server, or the account, has no JetStream.
	ErrNoJetStream = errors.New("JetStream is not enabled")
	// ErrBucket: the cluster's bucket cannot serve; the message says why.
	ErrBucket = errors.New("unfit bucket")
)

// errUnheard: nobody answers JetStream's own subjects.
var errUnheard = outcome.Errorf(outcome.ErrDisconnected, "no server answers JetStream's requests")

// The codes of JetStream's errors that mean something here.
const (
	codeNoPeers           = 10005 // not enough servers for the replicas
	codeNotAvailable      = 10008 // no leader
	codeNoMessage         = 10037
	codeNotEnabledAccount = 10039
	codeNameInUse         = 10058 // by a stream with another configuration
	codeStreamNotFound    = 10059
	codeNoCluster         = 10074 // replicas on a server that has no others
	codeNotEnabled        = 10076
	codeWrongRevision     = 10071
	// Another write of the record is on its way to the replicas: this one was
	// refused before it went there.
	codeWriteUnderWay = 10164
)

// apiError is what JetStream answers in place of a result.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("JetStream: %s (%d)", e.Description, e.ErrCode)
}

// mapped gives an error of nats.go the meaning that callers know.
func (s *Store) mapped(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case s.isClosed():
		return outcome.Errorf(outcome.ErrTransportClosed, "the store was closed").WithOutcome(outcome.MaybeRan)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, nats.ErrNoResponders):
		return outcome.Errorf(outcome.ErrDisconnected, "no server answers for bucket %s: its stream has no leader", s.bucket)
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionReconnecting):
		return outcome.Errorf(outcome.ErrDisconnected, "%s", natsdial.Redact(s.opts.URL))
	case errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrBadSubscription): // it was sent
		return outcome.Errorf(outcome.ErrConnectionLost, "%v", err)
	case errors.Is(err, nats.ErrMaxPayload):
		return outcome.Errorf(outcome.ErrTooLarge, "%v", err)
	}
	return err
}
