// SPDX-License-Identifier: Apache-2.0

package join

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// The paths of the protocol. Everything else on a Server's listener is the
// stream's.
const (
	joinPath  = "/join/v1/host"  // a machine with a token becomes a host
	renewPath = "/join/v1/renew" // a host gets its next certificate
	checkPath = "/join/v1/check" // anybody learns whether a certificate would be taken
)

const (
	maxRequest = 16 << 10 // bytes of a request
	maxAnswer  = 64 << 10 // bytes of an answer
)

// joinRequest asks to become a host.
type joinRequest struct {
	Token    string     `json:"token"` // the id
	Secret   []byte     `json:"secret"`
	Name     string     `json:"name"`
	Underlay netip.Addr `json:"underlay,omitzero"`
	Request  []byte     `json:"request"` // PKCS #10, DER
}

// renewRequest asks for the next certificate of the host that sends it.
type renewRequest struct {
	Underlay netip.Addr `json:"underlay,omitzero"`
	Request  []byte     `json:"request"`
}

// checkRequest asks whether a certificate would be taken, and why not.
type checkRequest struct {
	Certificate []byte `json:"certificate"` // DER
}

// welcome answers joinRequest and renewRequest.
type welcome struct {
	Host        string   `json:"host"`
	Certificate []byte   `json:"certificate"`
	Authorities [][]byte `json:"authorities"` // whom to believe, the newest last
}

// refusal answers whatever is not done.
type refusal struct {
	Code    string    `json:"code"`
	Message string    `json:"message"`
	Time    time.Time `json:"time"` // by the server's clock
}

// Refused is what a server said to a host. Code is one of package control's or of
// this package's.
type Refused struct {
	Code, Message string
}

func (e *Refused) Error() string { return e.Message }

// decode reads one message of a kind, and no more than limit bytes. What it does
// not know it ignores: a newer peer may say more.
func decode[T any](r io.Reader, limit int64) (*T, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("the message is longer than %d bytes", limit)
	}
	m := new(T)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, errors.New("the message is malformed")
	}
	return m, nil
}

// checkUnderlay refuses addresses at which no other host can be.
func checkUnderlay(a netip.Addr) error {
	if a.IsValid() && (a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Zone() != "" || a.Is4In6()) {
		return fmt.Errorf("%s is no address at which other hosts reach this one; choose another with --underlay", a)
	}
	return nil
}
