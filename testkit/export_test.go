package testkit

// The tests look inside where the real thing would take seconds.
var (
	CheckLeaksFor = checkLeaks
	ParseStacks   = parseStacks
)
