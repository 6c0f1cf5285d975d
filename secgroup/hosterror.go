// SPDX-License-Identifier: Apache-2.0

package secgroup

// The codes of what keeps a machine from being a host (docs/hosts.md). Servers
// count refusals by them.
const (
	HostNotFound          = "HostNotFound"
	HostNameTaken         = "HostNameTaken"
	HostDisabled          = "HostDisabled"
	HostInUse             = "HostInUse"
	UnderlayTaken         = "UnderlayTaken"
	CertificateSuperseded = "CertificateSuperseded"
)

// The codes of what is wrong with a join token.
const (
	JoinTokenUnknown  = "JoinTokenUnknown"
	JoinTokenUsed     = "JoinTokenUsed"
	JoinTokenExpired  = "JoinTokenExpired"
	JoinTokenMismatch = "JoinTokenMismatch"
)

// NoHost is the refusal of a host that is not there.
func NoHost(name string) *Error {
	return Errorf(HostNotFound, "There is no host %s; it has not joined, or was removed. All hosts: hedgeward host list", name)
}

// DisabledHost is the refusal of a host that the operator wants nothing from.
func DisabledHost(name string) *Error {
	return Errorf(HostDisabled, "The host %s is disabled. To take it again: hedgeward host enable %[1]s", name)
}

// Superseded is the refusal of a certificate that is not one of the host's two
// newest.
func Superseded(name string) *Error {
	return Errorf(CertificateSuperseded, "The certificate of the host %s has been replaced by others. If its state folder was copied, two machines use it, and one of them must join under a name of its own; if you cannot tell which: hedgeward host disable %[1]s", name)
}
