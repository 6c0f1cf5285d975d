// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// The exceptions of AppStream (docs/spec/appstream.md section 2.2).
const (
	streamExists       = "ResourceAlreadyExistsException"
	streamInUse        = "ResourceInUseException"
	streamNotFound     = "ResourceNotFoundException"
	streamNotAvailable = "ResourceNotAvailableException"
	streamNotPermitted = "OperationNotPermittedException"
	streamCombination  = "InvalidParameterCombinationException"
	streamLimit        = "LimitExceededException"
	streamRole         = "InvalidRoleException"
	streamIncompatible = "IncompatibleImageException"
)

// The codes of what keeps a fleet or builder from having an instance (section
// 3.5).
const (
	groupsNotFound    = "SECURITY_GROUPS_NOT_FOUND"
	subnetNotFound    = "SUBNET_NOT_FOUND"
	subnetFull        = "SUBNET_HAS_INSUFFICIENT_IP_ADDRESSES"
	subnetsUnfit      = "INVALID_SUBNET_CONFIGURATION"
	noInternet        = "IGW_NOT_ATTACHED"
	interfacesUsedUp  = "NETWORK_INTERFACE_LIMIT_EXCEEDED"
	instanceUnmade    = "FLEET_INSTANCE_PROVISIONING_FAILURE"
	internalStreaming = "INTERNAL_SERVICE_ERROR"
	noSuchDomain      = "DOMAIN_JOIN_ERROR_NO_SUCH_DOMAIN"
	joinUnheard       = "DOMAIN_JOIN_INTERNAL_SERVICE_ERROR"
)

func noFleet(scope secgroup.Scope, name string) error {
	return secgroup.Errorf(streamNotFound, "The fleet %s for account %s does not exist.", name, scope.Account)
}

func noStack(scope secgroup.Scope, name string) error {
	return secgroup.Errorf(streamNotFound, "The stack %s for account %s does not exist.", name, scope.Account)
}

// builderNouns are the kinds of builders as messages call them.
var builderNouns = map[secgroup.StreamingKind]string{
	secgroup.ImageBuilderKind: "image builder", secgroup.AppBlockBuilderKind: "app block builder",
}

func noBuilder(scope secgroup.Scope, kind secgroup.StreamingKind, name string) error {
	return secgroup.Errorf(streamNotFound, "The %s %s for account %s does not exist.", builderNouns[kind], name, scope.Account)
}

// shortfall is why no instance could be made.
type shortfall struct{ code, message string }

func (e *shortfall) Error() string { return e.code + ": " + e.message }

// streamingErrors returns what fleets and builders show of errs, each code once.
// What was there already keeps its time.
func streamingErrors(was []secgroup.StreamingError, now time.Time, errs ...error) []secgroup.StreamingError {
	var out []secgroup.StreamingError
	for _, err := range errs {
		next := secgroup.StreamingError{Code: internalStreaming, Message: err.Error(), At: now.UTC()}
		if s := (*shortfall)(nil); errors.As(err, &s) {
			next.Code, next.Message = s.code, s.message
		}
		same := func(e secgroup.StreamingError) bool { return e.Code == next.Code }
		if slices.ContainsFunc(out, same) {
			continue
		}
		if i := slices.IndexFunc(was, same); i >= 0 && was[i].Message == next.Message {
			next = was[i]
		}
		out = append(out, next)
	}
	return out
}

// checkStreamingRole refuses a role that the account does not have.
func checkStreamingRole(tx *model.Tx, scope secgroup.Scope, arn string) error {
	account, name, ok := strings.Cut(strings.TrimPrefix(arn, "arn:aws:iam::"), ":role/")
	if arn == "" || ok && account == scope.Account && tx.Roles.Get(model.PrincipalID(account, name)) != nil {
		return nil
	}
	return secgroup.Errorf(streamRole, "The role %s does not exist or cannot be used.", arn)
}
