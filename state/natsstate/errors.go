// Sentinels, JetStream's codes, what they say of a write

package natsstate

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/clstr-go/clstr/state"
)

// Faults that Open returns at once, because waiting does not mend them. Other errors are in package outcome.
var (
	// ErrServerVersion: the server is older than 2.12.
	ErrServerVersion = errors.New("the NATS server is too old")
	// ErrNoJetStream: the server, or the account, has no JetStream.
	ErrNoJetStream = errors.New("JetStream is not enabled")
	// ErrNoStreams: no node has stored anything under the prefix ([Options].Existing).
	ErrNoStreams = errors.New("no state is stored")
	// ErrStream: one of the cluster's streams cannot serve; the message says why.
	ErrStream = errors.New("unfit stream")
)

// errWait marks errors that time may mend.
var errWait = errors.New("wait")

var (
	errNoAnswer = errors.New("JetStream has not answered in time")
	errCut      = errors.New("the connection was lost before JetStream answered")
)

// The codes of JetStream's errors that mean something here.
const (
	codeNoPeers           = 10005 // not enough servers for the replicas
	codeNotAvailable      = 10008 // no leader
	codeInsufficient      = 10023
	codeMemoryFull        = 10028
	codeNotEnabledAccount = 10039
	codeStorageFull       = 10047
	codeTooLarge          = 10054
	codeNameInUse         = 10058
	codeStreamNotFound    = 10059
	codeWrongSequence     = 10071
	codeNoCluster         = 10074
	codeNotEnabled        = 10076
	codeStoreFailed       = 10077 // maximum messages or bytes exceeded
	codeDuplicateUnderWay = 10158
	// A write with this fence is on its way to the replicas: this one may follow in a moment.
	codeUnderWay = 10164
)

// apiError is what JetStream answers in place of a result.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return fmt.Sprintf("JetStream: %s (%d)", e.Description, e.ErrCode) }

func code(err error) int {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.ErrCode
	}
	if e, ok := errors.AsType[*jetstream.APIError](err); ok {
		return int(e.ErrorCode)
	}
	return 0
}

// verdict says what a refusal of a change means. After any other error the change is in doubt.
func verdict(err error) error {
	switch code(err) {
	case codeWrongSequence:
		return fmt.Errorf("%w: %w", state.ErrDeposed, err)
	case codeInsufficient, codeMemoryFull, codeStorageFull, codeStoreFailed:
		return fmt.Errorf("%w: %w", state.ErrFull, err)
	case codeTooLarge:
		return fmt.Errorf("%w: %w", state.ErrTooLarge, err)
	}
	return err
}
