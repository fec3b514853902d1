// Bounds of the parts of an envelope, and of a handler's error

package bounds

// Limits of the parts of an envelope that are not payload. They keep one
// envelope from costing a node more than its payload does.
const (
	MaxKeyBytes    = 4 << 10  // length of a key
	MaxTypeBytes   = 512      // length of a message type or kind
	MaxHeaders     = 128      // number of headers
	MaxHeaderBytes = 64 << 10 // names and values of all headers together
	MaxIDBytes     = 256      // length of an ID
	MaxCodecBytes  = 32       // length of a codec's name
)

// Bounds of a handler's error on its way to the caller. Parts beyond them are left out, and the
// error says so (outcome.Error.Cut).
const (
	MaxErrorNodes = 32       // errors in the tree of causes, the outermost included
	MaxErrorDepth = 8        // from the outermost to the innermost
	MaxErrorBytes = 64 << 10 // codes, texts and encoded errors, together
)
