// Sentinels, JetStream's codes

package natsstore

import (
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/outcome"
)

// What Open finds and waiting does not mend. Its other errors are of package outcome.
var (
	// ErrServerVersion: the server is older than 2.11.
	ErrServerVersion = errors.New("the NATS server is too old")
	// ErrNoJetStream: the server, or the account, has no JetStream.
	ErrNoJetStream = errors.New("JetStream is not enabled")
	// ErrBucket: the cluster's bucket cannot serve. The message says why.
	ErrBucket = errors.New("the bucket cannot serve")
)

// errUnheard: no server answers JetStream's own subjects.
var errUnheard = outcome.Errorf(outcome.ErrDisconnected, "no server answers JetStream's requests")

// The codes of JetStream's errors that are told apart here.
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
	// Another write of the record is on its way to the replicas. This one was refused
	// before it went there.
	codeWriteUnderWay = 10164
)

// apiError is what JetStream answers instead of a result.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("JetStream: %s (%d)", e.Description, e.ErrCode)
}
