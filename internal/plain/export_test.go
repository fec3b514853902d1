package plain

// Pointer returns a pointer to the value.
func Pointer(v *Value) any { return v.p }

// Again returns a pointer to a copy of the value.
func Again(v *Value) any { return v.again() }
