// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"net/http"

	"github.com/hedgeward/hedgeward/awsapi/sigv4"
	"github.com/hedgeward/hedgeward/secgroup"
)

// ec2Status lists the codes whose HTTP status is not 400 (docs/spec/ec2-api.md
// section 1.3). Clients retry 5xx, so a caller's mistake is never one.
var ec2Status = map[string]int{
	"AuthFailure":                  http.StatusUnauthorized,
	"UnauthorizedOperation":        http.StatusForbidden,
	"DryRunOperation":              http.StatusPreconditionFailed,
	"InternalError":                http.StatusInternalServerError,
	"InsufficientInstanceCapacity": http.StatusInternalServerError,
	"RequestLimitExceeded":         http.StatusServiceUnavailable,
	"Unavailable":                  http.StatusServiceUnavailable,
	"ServiceUnavailable":           http.StatusServiceUnavailable,
}

// awsStatus is the same for the other services.
var awsStatus = map[string]int{
	"AccessDenied":       http.StatusForbidden,
	"ExpiredToken":       http.StatusForbidden,
	"InternalError":      http.StatusInternalServerError,
	"InternalFailure":    http.StatusInternalServerError,
	"ServiceUnavailable": http.StatusServiceUnavailable,
	"Unavailable":        http.StatusServiceUnavailable,
}

// errThrottled is a call too many as EC2 words it; SDKs wait and try again.
var errThrottled = secgroup.Errorf("RequestLimitExceeded", "Request limit exceeded.")

func (ec2Query) throttled() *secgroup.Error { return errThrottled }
func (awsQuery) throttled() *secgroup.Error {
	return secgroup.Errorf("Throttling", "Rate exceeded")
}

func (json11s) throttled() *secgroup.Error {
	return secgroup.Errorf("ThrottlingException", "Rate exceeded")
}

func statusIn(table map[string]int, code string) int {
	if status, ok := table[code]; ok {
		return status
	}
	return http.StatusBadRequest
}

func (ec2Query) status(code string) int { return statusIn(ec2Status, code) }
func (awsQuery) status(code string) int { return statusIn(awsStatus, code) }
func (json11s) status(code string) int  { return statusIn(awsStatus, code) }

const (
	wrongSignature = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	expiredToken   = "The security token included in the request is expired"
	unknownToken   = "The security token included in the request is invalid."
	untimely       = "Signature expired or not yet current: check the clock of this machine."
	illegible      = "The Authorization header or the signature parameters of the query string are not of the form that Signature Version 4 demands."
)

// unsigned words a refused signature for EC2, which does not reveal what is
// wrong with it (docs/spec/ec2-api.md section 1.4).
func (ec2Query) unsigned(e *sigv4.Error) refusal {
	switch e.Reason {
	case sigv4.Missing:
		return refusal{http.StatusBadRequest, "MissingParameter", "The request must contain the parameter AWSAccessKeyId"}
	case sigv4.Expired, sigv4.TokenExpired:
		return refusal{http.StatusBadRequest, "RequestExpired", "Request has expired."}
	}
	return refusal{http.StatusUnauthorized, "AuthFailure", "AWS was not able to validate the provided access credentials"}
}

// unsigned words a refused signature for STS (docs/spec/ec2-api.md section 11.3).
func (awsQuery) unsigned(e *sigv4.Error) refusal {
	switch e.Reason {
	case sigv4.Missing:
		return refusal{http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	case sigv4.UnknownKey:
		return refusal{http.StatusForbidden, "InvalidClientTokenId", unknownToken}
	case sigv4.TokenExpired:
		return refusal{http.StatusForbidden, "ExpiredToken", expiredToken}
	case sigv4.Expired:
		return refusal{http.StatusForbidden, "SignatureDoesNotMatch", untimely}
	case sigv4.Malformed:
		return refusal{http.StatusBadRequest, "IncompleteSignature", illegible}
	}
	return refusal{http.StatusForbidden, "SignatureDoesNotMatch", wrongSignature}
}

// unsigned words a refused signature for JSON services (docs/spec/appstream.md).
func (json11s) unsigned(e *sigv4.Error) refusal {
	switch e.Reason {
	case sigv4.Missing:
		return refusal{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	case sigv4.UnknownKey:
		return refusal{http.StatusForbidden, "UnrecognizedClientException", unknownToken}
	case sigv4.TokenExpired:
		return refusal{http.StatusBadRequest, "ExpiredTokenException", expiredToken}
	case sigv4.Expired:
		return refusal{http.StatusForbidden, "InvalidSignatureException", untimely}
	case sigv4.Malformed:
		return refusal{http.StatusForbidden, "IncompleteSignatureException", illegible}
	}
	return refusal{http.StatusForbidden, "InvalidSignatureException", wrongSignature}
}
