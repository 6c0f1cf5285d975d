// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/test/rig"
)

// TestDiskFillsUp lets the disk under the state folder run full while the server
// writes: it stops with the reason, enforcement stays, and once there is room
// everything that was answered is there.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	s := &rig.Server{State: filepath.Join(mountTmpfs(t, 0, "size=192m"), "s"), Expected: "no space left on device"}
	s.ServeFor(t)
	l := newLiveness(t, s)
	filler := filepath.Join(filepath.Dir(s.State), "filler")
	fill(t, filler)

	// Of the long descriptions the store's file soon has to grow.
	answered := 0
	var refusal error
	for refusal == nil && answered < 2000 {
		_, refusal = l.api.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
			GroupName: aws.String(fmt.Sprintf("group %d", answered)), Description: aws.String(strings.Repeat("x", 255)), VpcId: &l.vpc,
		}, func(o *ec2.Options) { o.Retryer = aws.NopRetryer{} })
		if refusal == nil {
			answered++
		}
	}
	if refusal == nil {
		t.Fatal("the disk is full and the store writes on")
	}
	said, err := s.Ended()
	if err == nil || !strings.Contains(said, "no space left on device") || !strings.Contains(said, "Make room") {
		t.Errorf("the server ends with %v and says\n%s", err, said)
	}
	l.inForce("with a full disk")

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	l.reconnect()
	l.inForce("with room again")
	groups, err := l.api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, g := range groups.SecurityGroups {
		if strings.HasPrefix(*g.GroupName, "group ") {
			kept++
		}
	}
	if kept != answered && kept != answered+1 { // the last may have been written and not answered
		t.Errorf("%d groups are there, %d were answered", kept, answered)
	}
}

// fill writes a file until its disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 4
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
