// SPDX-License-Identifier: Apache-2.0

// Package wire describes the generated request and result types of a service:
// which operations there are, what each takes and gives, and under which names
// their fields travel. The codecs (awsapi/query, awsapi/json11) work from these
// descriptions alone; nothing here knows HTTP or any operation's meaning.
//
// The generated types carry their wire names in struct tags:
//
//	in:"Filter"              request name; the list is flattened (EC2)
//	in:"Tags>member"         request name; list elements under another name (STS)
//	out:"groupSet>item"      response element and the element of its items
//	rule:"required,min=5"    required, min=N, max=N, enum=SHAPE
//
// A field without the tag does not travel in that direction.
package wire

// Model is one version of one service's API, as its published model declares it.
type Model struct {
	Service      string // signing name: the service of a credential scope, e.g. "ec2"
	Version      string // e.g. "2016-11-15"
	Namespace    string // of XML results; empty for JSON services
	TargetPrefix string // of X-Amz-Target in JSON services; empty otherwise
	Operations   map[string]*Operation
	Enumerations map[string][]string // of JSON services: the values that request fields may have, by name
}

// Operation is one entry of a model.
type Operation struct {
	Name       string
	NewInput   func() any // pointer to the zero request
	NewOutput  func() any // pointer to the zero result
	Wrapper    string     // element between root and result (STS); empty for none
	ReturnTrue bool       // the answer has <return>true</return>, which the result type does not hold
}
