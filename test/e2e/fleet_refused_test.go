// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appstream"
	streaming "github.com/aws/aws-sdk-go-v2/service/appstream/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/hedgeward/hedgeward/test/rig"
)

// once is what a client does that does not try again.
func once(o *appstream.Options) { o.Retryer = aws.NopRetryer{} }

// TestFleetsOfAccountsThatAreLimited is AS-G07: the exceptions that no request by
// itself brings about. An account is suspended; another server is used up.
func TestFleetsOfAccountsThatAreLimited(t *testing.T) {
	t.Parallel()
	// One description at a time, and hardly ever another one.
	f := newStudioOn(t, rig.New(t, "--throttle", "describe=0.01:40"), "us-east-1", "limited")
	ctx := t.Context()
	stack := &appstream.CreateStackInput{Name: aws.String("k")}
	who, err := sts.NewFromConfig(f.s.API.Config).GetCallerIdentity(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	account := *who.Account
	f.s.Command(t, "access", "account", "suspend", account)
	_, err = f.as.CreateStack(ctx, stack, once)
	if e := (*streaming.InvalidAccountStatusException)(nil); !errors.As(err, &e) || e.ErrorMessage() == "" {
		t.Errorf("create a stack for a suspended account: %v", err)
	}
	if _, err := f.as.DescribeStacks(ctx, nil); err != nil {
		t.Errorf("a suspended account sees its stacks: %v", err)
	}
	if e := smithy.APIError(nil); !errors.As(second(f.api.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})), &e) || e.ErrorCode() != "Blocked" {
		t.Errorf("EC2 answers a suspended account %v", e)
	}
	f.s.Command(t, "access", "account", "resume", account)
	if _, err := f.as.CreateStack(ctx, stack, once); err != nil {
		t.Errorf("after the account was resumed: %v", err)
	}

	// CreateFleet looks at subnets and groups as its caller would by EC2.
	err = nil
	for n := 0; err == nil && n < 100; n++ {
		_, err = f.api.DescribeVpcs(context.WithoutCancel(ctx), &ec2.DescribeVpcsInput{}, func(o *ec2.Options) { o.Retryer = aws.NopRetryer{} })
	}
	_, err = f.as.CreateFleet(ctx, f.asked("F"), once)
	if e := (*streaming.RequestLimitExceededException)(nil); !errors.As(err, &e) || e.ErrorMessage() == "" {
		t.Errorf("create a fleet when EC2 shows no more: %v", err)
	}
	if _, err := f.as.DeleteStack(ctx, &appstream.DeleteStackInput{Name: stack.Name}, once); err != nil {
		t.Errorf("what looks at nothing is limited too: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
