package actor

import "errors"

// Why a message was not handled. In each case no method of the entity ran for
// it. Package handlers gives them their codes.
var (
	// ErrMailboxFull: the key has as many waiting messages as allowed.
	ErrMailboxFull = errors.New("mailbox full")
	// ErrStopping: the host ends.
	ErrStopping = errors.New("host is stopping")
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
