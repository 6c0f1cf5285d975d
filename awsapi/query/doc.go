// SPDX-License-Identifier: Apache-2.0

// Package query is the codec of the two form-based AWS protocols: the EC2 query
// protocol and the older AWS query protocol that STS speaks. Requests are form
// parameters, results XML (docs/spec/ec2-api.md sections 1.1 to 1.3 and 11.3).
//
// It works from the descriptions of awsapi/wire, so it knows every operation of
// a model and the meaning of none. It knows no HTTP.
package query
