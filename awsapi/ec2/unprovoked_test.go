// SPDX-License-Identifier: Apache-2.0

package ec2

// elsewhere lists refusals of the catalogue that a script cannot provoke, because
// they are about requests that are no signed form, credentials or the server
// itself, with the file of the test that does.
var elsewhere = map[string]string{
	"AuthFailure: AWS was not able to validate the provided access credentials":  "../server_test.go",
	"MissingParameter: The request must contain the parameter AWSAccessKeyId":    "../server_test.go",
	"RequestExpired: Request has expired.":                                       "../server_test.go",
	"UnauthorizedOperation: You are not authorized to perform this operation. …": "../server_test.go",
	"MalformedQueryString: The query string contains a syntax error.":            "../server_test.go",
	"InvalidParameterCombination: The parameter NAME may be given only once.":    "../server_test.go",
	"InvalidRequest: Calls are made to the path /.":                              "../server_test.go",
	"InvalidRequest: Calls are made with POST or GET.":                           "../server_test.go",
	"RequestEntityTooLarge: The request is larger than 2097152 bytes.":           "../server_test.go",
	"RequestLimitExceeded: Request limit exceeded.":                              "../throttle_test.go",
	"InternalError: An internal error has occurred":                              "../server_test.go",
}

// never lists refusals of the catalogue that nothing can provoke, with the reason.
var never = map[string]string{
	"Unavailable: The server is overloaded and can't handle the request.":                    "a server that is busy answers late; one that stops says so in other words",
	"InvalidPermission.Malformed: …":                                                         "the older code of what InvalidParameterValue says now (section 2.4)",
	"IncorrectState: The prefix list (pl-…) is currently in the (modify-in-progress) state.": "a change is over when its answer is sent (section 1.10)",
}

// besides lists points of section 16 that a script cannot show, with the test that
// does.
var besides = map[string]string{
	"decision 19 ": "TestWindow of awsapi/sigv4",
}
