package actor

import (
	"errors"
	"fmt"
)

// Why a message was not handled. In each case no method of the entity ran for
// it. Package handlers gives them their codes.
var (
	// ErrMailboxFull: the key has as many waiting messages as allowed.
	ErrMailboxFull = errors.New("mailbox full")
	// ErrStuck: a hook of the key has passed its limit and has not returned, or the
	// key has not ended since the shard was here last; until then it takes nothing.
	// It is an ErrMailboxFull, too: try again later.
	ErrStuck = fmt.Errorf("%w: the key is stuck", ErrMailboxFull)
	// ErrStopping: the host ends.
	ErrStopping = errors.New("host is stopping")
	// ErrLapsed: the node's lease on the shard has ended: another node may own the
	// key by now.
	ErrLapsed = errors.New("the node's lease on the shard has ended")
	// ErrActivation: the key's actor could not be made. The next message tries
	// again.
	ErrActivation = errors.New("activation failed")
	// ErrUnknownType: the entity has no method for the message's type.
	ErrUnknownType = errors.New("no handler for message type")
	// ErrDecode: the payload does not unmarshal into the method's argument.
	ErrDecode = errors.New("payload does not unmarshal")
	// ErrEncode: the method ran, and its reply does not marshal.
	ErrEncode = errors.New("reply does not marshal")
)
