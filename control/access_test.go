// SPDX-License-Identifier: Apache-2.0

package control

import (
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/access"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/store"
)

const (
	describeOnly = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}`
	assumeAll    = `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`
)

// office is a Service with an account that has a user bob.
type office struct {
	*Service
	account string
	now     time.Time
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{account: "111122223333", now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	o.Service = newServiceWith(t, Config{Now: func() time.Time { return o.now }})
	if _, err := o.CreateAccount(t.Context(), o.account); err != nil {
		t.Fatal(err)
	}
	if _, err := o.CreateUser(t.Context(), o.account, "bob", nil); err != nil {
		t.Fatal(err)
	}
	return o
}

// actor returns whom a new key of the user stands for.
func (o *office) actor(t *testing.T, user string) Actor {
	t.Helper()
	k, err := o.CreateAccessKey(t.Context(), o.account, user)
	if err != nil {
		t.Fatal(err)
	}
	return Actor{Account: k.Account, User: k.User, UserID: k.UserID, ARN: k.ARN(), AccessKey: k.ID}
}

func (o *office) may(who Actor, action string) bool {
	return o.Judge(who, []access.Request{{Action: action, Resource: "*"}}) == nil
}

func TestEntitiesAreRefused(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	if _, err := o.CreateRole(ctx, o.account, "ops", `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}}`, []string{AdministratorPolicy}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := o.ImportAccessKey(ctx, o.account, "bob", "test", "test"); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		do   func() error
		want string
	}{
		"account form":   {func() error { _, err := o.CreateAccount(ctx, "12"); return err }, `ValidationError: "12" is not the id of an account: use 12 digits.`},
		"account again":  {func() error { _, err := o.CreateAccount(ctx, o.account); return err }, "EntityAlreadyExists: The account 111122223333 exists already."},
		"user form":      {func() error { _, err := o.CreateUser(ctx, o.account, "a b", nil); return err }, `ValidationError: "a b" cannot name a user: use 1 to 64 letters, digits and characters of _+=,.@-.`},
		"user root":      {func() error { _, err := o.CreateUser(ctx, o.account, "root", nil); return err }, `ValidationError: "root" names the account itself; choose another name for the user.`},
		"user again":     {func() error { _, err := o.CreateUser(ctx, o.account, "bob", nil); return err }, "EntityAlreadyExists: The user bob of account 111122223333 exists already."},
		"user of nobody": {func() error { _, err := o.CreateUser(ctx, "999999999999", "bob", nil); return err }, `NoSuchEntity: The account "999999999999" does not exist.`},
		"user with what": {func() error { _, err := o.CreateUser(ctx, o.account, "eve", []string{"x"}); return err }, "NoSuchEntity: The policy x of account 111122223333 does not exist."},
		"user with keys": {func() error { return o.DeleteUser(ctx, o.account, "bob") }, "DeleteConflict: The user bob of account 111122223333 has the access key test; delete its keys first."},
		"no user":        {func() error { return o.DeleteUser(ctx, o.account, "eve") }, "NoSuchEntity: The user eve of account 111122223333 does not exist."},
		"policy in use":  {func() error { return o.DeletePolicy(ctx, o.account, AdministratorPolicy) }, "DeleteConflict: The policy AdministratorAccess of account 111122223333 is attached to the role ops; detach it first."},
		"no policy":      {func() error { return o.DeletePolicy(ctx, o.account, "x") }, "NoSuchEntity: The policy x of account 111122223333 does not exist."},
		"policy wrong":   {func() error { _, err := o.PutPolicy(ctx, o.account, "x", "{}"); return err }, "MalformedPolicyDocument: The policy document is wrong: the document has no Statement."},
		"not attached":   {func() error { return o.DetachPolicy(ctx, Bearer{Account: o.account, User: "bob"}, "x") }, "NoSuchEntity: The policy x is not attached to bob."},
		"attach to both": {func() error { return o.AttachPolicy(ctx, Bearer{o.account, "bob", "ops"}, "x") }, "ValidationError: Name either a user or a role."},
		"attach nothing": {func() error { return o.AttachPolicy(ctx, Bearer{Account: o.account, User: "bob"}, "x") }, "NoSuchEntity: The policy x of account 111122223333 does not exist."},
		"role again": {func() error {
			_, err := o.CreateRole(ctx, o.account, "ops", `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}}`, nil, 0)
			return err
		}, "EntityAlreadyExists: The role ops of account 111122223333 exists already."},
		"role untrusting": {func() error { _, err := o.CreateRole(ctx, o.account, "x", describeOnly, nil, 0); return err }, "MalformedPolicyDocument: The policy document is wrong: statement 1: it has a Resource, which a trust policy cannot have."},
		"role for long": {func() error {
			_, err := o.CreateRole(ctx, o.account, "x", `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}}`, nil, 13*time.Hour)
			return err
		}, "ValidationError: Sessions of a role can be limited to 3600 to 43200 seconds, not 46800."},
		"no role":          {func() error { return o.DeleteRole(ctx, o.account, "x") }, "NoSuchEntity: The role x of account 111122223333 does not exist."},
		"key again":        {func() error { _, err := o.ImportAccessKey(ctx, o.account, "bob", "test", "t"); return err }, "EntityAlreadyExists: The access key test exists already."},
		"key of a session": {func() error { _, err := o.ImportAccessKey(ctx, o.account, "bob", "ASIA1", "t"); return err }, "ValidationError: Ids that begin with ASIA belong to sessions; choose another."},
		"key form":         {func() error { _, err := o.ImportAccessKey(ctx, o.account, "bob", "a/b", "t"); return err }, `ValidationError: "a/b" cannot be the id of an access key: use 1 to 128 letters, digits, '.', '_' and '-'.`},
		"secret form":      {func() error { _, err := o.ImportAccessKey(ctx, o.account, "bob", "k", "a b"); return err }, "ValidationError: The secret cannot be used: it must be 1 to 128 visible ASCII characters."},
		"key of nobody":    {func() error { _, err := o.CreateAccessKey(ctx, o.account, "eve"); return err }, "NoSuchEntity: The user eve of account 111122223333 does not exist."},
		"no key":           {func() error { return o.DeleteAccessKey(ctx, "k") }, `NoSuchEntity: The access key "k" does not exist.`},
		"rotate no key":    {func() error { _, err := o.RotateAccessKey(ctx, "k"); return err }, `NoSuchEntity: The access key "k" does not exist.`},
		"disable no key":   {func() error { return o.SetAccessKeyDisabled(ctx, "k", true) }, `NoSuchEntity: The access key "k" does not exist.`},
	} {
		t.Run(name, func(t *testing.T) { refused(t, tc.do(), tc.want) })
	}
}

func TestKeysLive(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	k, err := o.ImportAccessKey(ctx, o.account, "bob", "test", "of-my-choice")
	if err != nil || k.Secret != "of-my-choice" {
		t.Fatalf("%+v, %v", k, err)
	}
	next, err := o.RotateAccessKey(ctx, "test")
	if err != nil {
		t.Fatal(err)
	}
	if o.AccessKey("test") != nil {
		t.Error("a rotated key is in use")
	}
	if got := o.AccessKey(next.ID); got == nil || got.Secret != next.Secret || got.User != "bob" {
		t.Errorf("the new key is %+v", got)
	}
	if err := o.SetAccessKeyDisabled(ctx, "test", false); err != nil || o.AccessKey("test") == nil {
		t.Errorf("enabled: %v", err)
	}
	for _, k := range o.AccessKeys(o.account) {
		if k.Secret != "" || k.Sealed != nil {
			t.Errorf("the list shows the secret of %s", k.ID)
		}
	}
	for _, id := range []string{"test", next.ID} {
		if err := o.DeleteAccessKey(ctx, id); err != nil || o.AccessKey(id) != nil {
			t.Errorf("deleted: %v", err)
		}
	}
	if err := o.DeleteUser(ctx, o.account, "bob"); err != nil {
		t.Error(err)
	}
}

func TestJudge(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	bob, root := o.actor(t, "bob"), o.actor(t, "root")
	if o.may(bob, "ec2:DescribeVpcs") || !o.may(root, "ec2:DescribeVpcs") {
		t.Error("a user without policies may something, or root may not")
	}
	if _, err := o.PutPolicy(ctx, o.account, "look", describeOnly); err != nil {
		t.Fatal(err)
	}
	if err := o.AttachPolicy(ctx, Bearer{Account: o.account, User: "bob"}, "look"); err != nil {
		t.Fatal(err)
	}
	if !o.may(bob, "ec2:DescribeVpcs") || o.may(bob, "ec2:CreateVpc") {
		t.Error("the attached policy does not say what bob may do")
	}
	refusal := o.Judge(bob, []access.Request{{Action: "ec2:DescribeVpcs", Resource: "*"}, {Action: "ec2:CreateVpc", Resource: "arn:aws:ec2:us-east-1:111122223333:vpc/*"}})
	const want = "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: ec2:CreateVpc on resource: arn:aws:ec2:us-east-1:111122223333:vpc/* because no identity-based policy allows the ec2:CreateVpc action"
	if refusal == nil || refusal.Sentence() != want {
		t.Fatalf("got %v, want %s", refusal, want)
	}
	text := o.Encode(refusal)
	if strings.Contains(text, "bob") {
		t.Error("the encoded message can be read")
	}
	back, err := o.Decode(text)
	if err != nil || back.Action != "ec2:CreateVpc" || back.Principal != bob.ARN || back.Context["aws:username"][0] != "bob" {
		t.Errorf("decoded: %+v, %v", back, err)
	}
	_, err = o.Decode(text[1:])
	refused(t, err, `InvalidAuthorizationMessage: The text is not an authorization failure message of this installation; copy all that follows "Encoded authorization failure message: ".`)

	if _, err := o.PutPolicy(ctx, o.account, "stop", `{"Statement":{"Sid":"Stop","Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":"bob"}}}}`); err != nil {
		t.Fatal(err)
	}
	if err := o.AttachPolicy(ctx, Bearer{Account: o.account, User: "bob"}, "stop"); err != nil {
		t.Fatal(err)
	}
	refusal = o.Judge(bob, []access.Request{{Action: "ec2:DescribeVpcs", Resource: "*"}})
	if refusal == nil || refusal.Policy != "stop" || refusal.Sid != "Stop" || !strings.HasSuffix(refusal.Sentence(), "with an explicit deny in an identity-based policy") {
		t.Errorf("a denial does not win: %+v", refusal)
	}
	stranger := bob
	stranger.UserID = "AIDAOTHER"
	if o.may(stranger, "ec2:DescribeVpcs") {
		t.Error("another user of the same name may what bob may")
	}
}

func TestRolesAndSessions(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	bob := o.actor(t, "bob")
	const arn = "arn:aws:iam::111122223333:role/ops"
	trust := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"` + principal + `"},"Condition":{"StringLike":{"sts:ExternalId":"e*"}}}}`
	}
	if _, err := o.CreateRole(ctx, o.account, "ops", trust(o.account), []string{AdministratorPolicy}, 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	denied := "AccessDenied: User: " + bob.ARN + " is not authorized to perform: sts:AssumeRole on resource: "
	assume := func(who Actor, a Assumption) error { _, err := o.AssumeRole(who, a); return err }
	a := Assumption{RoleARN: arn, Name: "night", ExternalID: "ext"}
	refused(t, assume(bob, a), denied+arn) // the account is trusted, but does not let bob
	if _, err := o.PutPolicy(ctx, o.account, "assume", assumeAll); err != nil {
		t.Fatal(err)
	}
	if err := o.AttachPolicy(ctx, Bearer{Account: o.account, User: "bob"}, "assume"); err != nil {
		t.Fatal(err)
	}
	refused(t, assume(bob, Assumption{RoleARN: arn, Name: "night"}), denied+arn) // no external id
	refused(t, assume(bob, Assumption{RoleARN: arn + "x", Name: "night"}), denied+arn+"x")
	refused(t, assume(o.actor(t, "root"), a), "AccessDenied: Roles may not be assumed by root accounts.")
	long := a
	long.Life = 3 * time.Hour
	refused(t, assume(bob, long), "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	malformed := a
	malformed.Policy = "{"
	refused(t, assume(bob, malformed), "MalformedPolicyDocument: The policy document is wrong: the document ends too early.")

	a.Policy = describeOnly
	made, err := o.AssumeRole(bob, a)
	if err != nil {
		t.Fatal(err)
	}
	if made.ARN != "arn:aws:sts::111122223333:assumed-role/ops/night" || made.Expires != o.now.Add(time.Hour) || made.Packed == 0 {
		t.Errorf("%+v", made)
	}
	secret, who, ok := o.OpenSession(made.AccessKey, made.Token)
	if !ok || secret != made.Secret || who.ARN != made.ARN {
		t.Fatalf("%+v, %v", who, ok)
	}
	if !o.may(who, "ec2:DescribeVpcs") || o.may(who, "ec2:CreateVpc") {
		t.Error("the session policy does not limit the role")
	}
	if _, _, ok := o.OpenSession("ASIAOTHER", made.Token); ok {
		t.Error("a token opens for another key")
	}
	_, err = o.UserSession(who, 0)
	refused(t, err, "AccessDenied: Cannot call GetSessionToken with session credentials")

	own, err := o.UserSession(bob, 0)
	if err != nil || own.Expires != o.now.Add(12*time.Hour) {
		t.Fatalf("%+v, %v", own, err)
	}
	_, self, ok := o.OpenSession(own.AccessKey, own.Token)
	if !ok || self.ARN != bob.ARN || !o.may(self, "sts:AssumeRole") || o.may(self, "ec2:CreateVpc") {
		t.Errorf("bob's own session is %+v, %v", self, ok)
	}
	if err := o.DeleteRole(ctx, o.account, "ops"); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := o.OpenSession(made.AccessKey, made.Token); ok {
		t.Error("a session outlives its role")
	}
	if err := o.SetAccessKeyDisabled(ctx, bob.AccessKey, true); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := o.OpenSession(own.AccessKey, own.Token); ok {
		t.Error("a session outlives its access key")
	}
}

func TestTrustAcrossAccounts(t *testing.T) {
	o := newOffice(t)
	bob := o.actor(t, "bob")
	const other = "444455556666"
	if _, err := o.CreateAccount(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	trust := `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"` + bob.ARN + `"}}}`
	for _, account := range []string{o.account, other} {
		if _, err := o.CreateRole(t.Context(), account, "r", trust, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := o.AssumeRole(bob, Assumption{RoleARN: "arn:aws:iam::" + o.account + ":role/r", Name: "s"}); err != nil {
		t.Errorf("named by a role of its own account: %v", err)
	}
	_, err := o.AssumeRole(bob, Assumption{RoleARN: "arn:aws:iam::" + other + ":role/r", Name: "s"})
	refused(t, err, "AccessDenied: User: "+bob.ARN+" is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/r")
}

// A store of the version before access control holds a plain key and no user.
func TestOldStoreIsBroughtUpToDate(t *testing.T) {
	db, err := store.Embedded(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := serve(t, db, Config{})
	old := &secgroup.AccessKey{ID: "AKIAOLD", Secret: "plain-secret", Account: "111122223333", User: firstUser, UserID: "AIDAOLD", Created: time.Now()}
	err = s.write(t.Context(), installation, func(tx *model.Tx) error {
		tx.Accounts.Put(&secgroup.Account{ID: old.Account, Created: old.Created})
		tx.AccessKeys.Put(old)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	key, created, err := s.Bootstrap(t.Context())
	if err != nil || created || key.ID != old.ID || key.Secret != old.Secret {
		t.Fatalf("%+v %v %v", key, created, err)
	}
	if !(&office{Service: s}).may(Actor{Account: key.Account, User: key.User, UserID: key.UserID, AccessKey: key.ID}, "ec2:RunInstances") {
		t.Error("the first user administers no more")
	}
	entries, _, err := db.Load(t.Context(), "/")
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, e := range entries {
		if strings.Contains(string(e.Value), old.Secret) {
			t.Errorf("%s holds the secret in plain", e.Key)
		}
	}
	if _, _, err := serve(t, db, Config{Seal: access.RandomSeal()}).Bootstrap(t.Context()); err == nil || !strings.Contains(err.Error(), "use the key file") {
		t.Errorf("with another key file: %v", err)
	}
	bearer := Bearer{Account: key.Account, User: firstUser}
	if err := s.DetachPolicy(t.Context(), bearer, AdministratorPolicy); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if users := s.Users(key.Account); len(users) != 1 || len(users[0].Policies) != 0 {
		t.Errorf("a later start gives rights back: %+v", users)
	}
}
