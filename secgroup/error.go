// SPDX-License-Identifier: Apache-2.0

package secgroup

import "fmt"

// Error is a refusal that a client is meant to see: a documented code and the
// message that goes with it (docs/spec/ec2-api.md section 13). Whoever knows the
// rule that was broken makes it; only the API's edge knows its HTTP status and
// its form on the wire. Any other error reaches clients as InternalError and its
// text stays in the log.
type Error struct {
	Code    string // e.g. "InvalidGroup.NotFound"
	Message string // complete sentence as clients print it
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf returns an Error with the given code and formatted message.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
