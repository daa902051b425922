package differential_test

import (
	"slices"
	"strings"
)

// profileOnly leaves only the profiles, of which none is selected by name.
func (s *setup) profileOnly() {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		delete(s.env, name)
	}
	s.denied = map[string]bool{}
}

// fresh removes a profile, and makes it the one that decides. It returns its section in the config file.
func (s *setup) fresh(name string) *section {
	s.profileOnly()
	if name != "default" {
		s.env["AWS_PROFILE"] = name
	}
	s.credentials.remove("[" + name + "]")
	c := s.config.section(inConfig(name))
	c.lines = nil
	return c
}

func (s *setup) remove(name string) {
	s.config.remove(inConfig(name))
	s.credentials.remove("[" + name + "]")
}

// plainEndpoint removes the variables that decide where STS is called, but for its region.
func (s *setup) plainEndpoint() {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"} {
		delete(s.env, name)
	}
}

func keys(to *section) {
	to.set("aws_access_key_id", "AKIAFRESH")
	to.set("aws_secret_access_key", "secret")
}

func role(to *section, source string) {
	to.set("role_arn", roleARN("fresh"))
	to.set("source_profile", source)
}

func wanted(r random) string { return oneOf(r, "default", "dev") }

var classes = []class{
	{name: "duration", goSDK: func(_ *setup, ours, theirs result) bool {
		return ours.equal(theirs) && !slices.Equal(ours.Calls, theirs.Calls)
	}, arrange: func(r random, s *setup) {
		role(s.fresh(wanted(r)), base)
	}},
	{name: "order", same: firstCall(roleARN("pod")), arrange: func(_ random, s *setup) {
		keys(s.fresh("default"))
		s.webIdentity()
	}},
	{name: "order-role", boto: func(_ *setup, ours, theirs result) bool {
		return firstCall(roleARN("pod"))(nil, ours) && !firstCall(roleARN("pod"))(nil, theirs)
	}, arrange: func(r random, s *setup) {
		role(s.fresh(wanted(r)), base)
		s.webIdentity()
	}},
	{name: "env-profile", same: func(_ *setup, ours result) bool { return ours.Key == "AKIAENV" }, arrange: func(r random, s *setup) {
		s.profileOnly()
		s.env["AWS_PROFILE"] = oneOf(r, base, "dev")
		s.envKeys()
	}},
	{name: "half-keys", goSDK: weFail("AWS_SECRET_ACCESS_KEY is not set"), arrange: func(_ random, s *setup) {
		s.env["AWS_ACCESS_KEY_ID"] = "AKIAHALF"
		delete(s.env, "AWS_SECRET_ACCESS_KEY")
	}},
	{name: "unused-profile", goSDK: func(_ *setup, ours, theirs result) bool {
		return theirs.Error != "" && (ours.Key == "AKIAENV" || ours.Key == "AKIAOLD" || firstCall(roleARN("pod"))(nil, ours))
	}, arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		switch r.IntN(4) {
		case 0:
			c.set("source_profile", base)
		case 1:
			role(c, "absent")
		case 2:
			c.set("aws_access_key_id", "AKIAHALF")
		case 3:
			s.env["AWS_PROFILE"] = "absent"
		}
		if r.chance(50) {
			s.envKeys()
		} else {
			s.webIdentity()
		}
	}},
	{name: "expired-keys", goSDK: expired, boto: expired.and(oldKeys), arrange: func(_ random, s *setup) {
		s.envKeys()
		s.env["AWS_CREDENTIAL_EXPIRATION"] = "2001-01-01T00:00:00Z"
	}},
	{name: "region-variable", boto: arranged("region-variable").and(sameKey(callsDiffer)), arrange: func(r random, s *setup) {
		s.fresh(wanted(r))
		s.webIdentity()
		delete(s.env, "AWS_DEFAULT_REGION")
	}},
	{name: "no-region", boto: weFail("no region for STS", "no region is configured to call STS in"), arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		delete(s.env, "AWS_REGION")
		delete(s.env, "AWS_DEFAULT_REGION")
		if r.chance(50) {
			s.webIdentity()
		} else {
			role(c, base)
		}
	}},
	{name: "endpoint-url", goSDK: sameKey(endpointIgnored).or(theyFail("Missing Region")), boto: sameKey(endpointIgnored), arrange: func(r random, s *setup) {
		role(s.fresh(wanted(r)), base)
		s.plainEndpoint()
		s.env["AWS_ENDPOINT_URL"] = "https://all.example.com"
	}},
	{name: "endpoint-fips", goSDK: endpointAndFIPS, boto: endpointAndFIPS, arrange: func(r random, s *setup) {
		role(s.fresh(wanted(r)), base)
		s.plainEndpoint()
		s.env[oneOf(r, "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL")] = "https://sts.example.com"
		s.env[oneOf(r, "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")] = "true"
	}},
	{name: "web-identity-leftovers", boto: func(s *setup, ours, _ result) bool {
		return s.env["AWS_WEB_IDENTITY_TOKEN_FILE"] == "" && s.env["AWS_ROLE_ARN"]+s.env["AWS_ROLE_SESSION_NAME"] != "" && firstCall("AssumeRoleWithWebIdentity")(s, ours)
	}, arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		c.set("role_arn", roleARN("fresh"))
		c.set("web_identity_token_file", s.path("token"))
		if r.chance(50) {
			s.env["AWS_ROLE_ARN"] = roleARN("leftover")
		} else {
			s.env["AWS_ROLE_SESSION_NAME"] = "leftover"
		}
	}},
	{name: "empty-variable", boto: theyFail("invalid literal for int()", "ProfileNotFound", "Invalid endpoint"), arrange: func(r random, s *setup) {
		role(s.fresh("default"), base)
		s.env[oneOf(r, "AWS_MAX_ATTEMPTS", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN")] = ""
	}},
	{name: "fall-through", same: func(_ *setup, ours result) bool { return ours.Error != "" }, arrange: func(r random, s *setup) {
		c := s.fresh("default")
		switch r.IntN(3) {
		case 0:
			s.webIdentity()
			s.denied["sts"] = true
		case 1:
			role(c, base)
			s.denied["sts"] = true
		case 2:
			s.container(r)
			s.denied["container"] = true
		}
	}},

	{name: "named-missing", goSDK: weFail("does not exist: create it"), boto: weFail("does not exist: create it"), arrange: func(r random, s *setup) {
		s.fresh("default")
		if r.chance(50) {
			keys(s.credentials.section("[default]"))
			s.env["AWS_CONFIG_FILE"] = s.path("absent")
		} else {
			keys(s.config.section("[default]"))
			s.env["AWS_SHARED_CREDENTIALS_FILE"] = s.path("absent")
		}
	}},
	{name: "refused", goSDK: theyFail("is a directory"), arrange: func(r random, s *setup) {
		s.fresh("default")
		s.instead[oneOf(r, "config", "credentials")] = "folder"
		s.instanceRole = true
	}},
	{name: "refused-keys", boto: weFail("cannot be opened: "), arrange: func(r random, s *setup) {
		name := wanted(r)
		c := s.fresh(name)
		if r.chance(50) {
			keys(s.credentials.section("[" + name + "]"))
			s.instead["config"] = "folder"
		} else {
			keys(c)
			s.instead["credentials"] = "folder"
		}
	}},
	{name: "descriptors", goSDK: weFail("too many levels of symbolic links"), boto: weFail("too many levels of symbolic links"), arrange: func(r random, s *setup) {
		keys(s.fresh("default"))
		s.instead[oneOf(r, "config", "credentials")] = "loop"
	}},
	{name: "broken-other", goSDK: weFail("no region is configured to call STS in", "no region for STS"), boto: arranged("broken-other", "broken-wanted").and(theyFail(parseError)), arrange: func(r random, s *setup) {
		keys(s.fresh(wanted(r)))
		f := oneOf(r, s.config, s.credentials)
		f.after += oneOf(r, "[broken\nregion = eu-west-1\n", "[profile broken] text\nregion = eu-west-1\n", "[profile broken]\njust words\n", "[profile broken]\n= value\n")
	}},
	{name: "broken-wanted", goSDK: weFail("property did not have a name", "expected an '=' sign"), boto: weFail("property did not have a name", "expected an '=' sign"), arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		keys(c)
		c.lines = append(c.lines, oneOf(r, "just words", "= value", "role_arn "+roleARN("fresh")))
	}},
	{name: "no-section", goSDK: weFail("before the first property"), boto: arranged("no-section").and(theyFail(parseError)).or(weFail("before the first property")), arrange: func(r random, s *setup) {
		keys(s.fresh(wanted(r)))
		f := oneOf(r, s.config, s.credentials)
		f.before += "region = eu-west-1\n"
	}},
	{name: "twice", boto: arranged("twice").and(theyFail(parseError)), arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		keys(c)
		if r.chance(50) {
			c.lines = append(c.lines, "aws_secret_access_key = last")
		} else {
			s.config.after += c.header + "\noutput = text\naws_secret_access_key = last\n"
		}
	}},
	{name: "bom", goSDK: arranged("bom").and(func(_ *setup, _, theirs result) bool { return theirs.Key != "AKIAFRESH" }), boto: arranged("bom").and(theyFail(parseError)), arrange: func(r random, s *setup) {
		c := s.fresh("default")
		keys(c)
		s.config.remove("[default]")
		s.config.sections = slices.Insert(s.config.sections, 0, c)
		s.config.before = "\ufeff"
	}},

	{name: "settings-only", same: func(_ *setup, ours result) bool { return !strings.HasPrefix(ours.Key, "AKIA") }, arrange: func(r random, s *setup) {
		s.fresh("dev").set("output", "json")
	}},
	{name: "default-profile-variable", goSDK: weFail("AWS_DEFAULT_PROFILE names the profile"), arrange: func(r random, s *setup) {
		keys(s.fresh("default"))
		s.env["AWS_DEFAULT_PROFILE"] = oneOf(r, "absent", "missing")
	}},
	{name: "both-profile-variables", boto: func(s *setup, _, _ result) bool {
		return s.env["AWS_DEFAULT_PROFILE"] != "" && s.env["AWS_PROFILE"] != ""
	}, arrange: func(r random, s *setup) {
		keys(s.fresh("dev"))
		s.env["AWS_DEFAULT_PROFILE"] = oneOf(r, "absent", base)
	}},
	{name: "quotes", goSDK: func(_ *setup, ours, theirs result) bool { return ours.Secret == `"`+theirs.Secret+`"` }, arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		keys(c)
		c.set("aws_secret_access_key", `"secret"`)
	}},
	{name: "login", same: func(_ *setup, ours result) bool { return ours.Key == "ASIALOGIN" }, boto: func(_ *setup, ours, theirs result) bool {
		return ours.Key == "ASIALOGIN"
	}, arrange: func(r random, s *setup) { s.addLogin(s.fresh(wanted(r))) }},
	{name: "login-source", goSDK: signedByLogin, boto: signedByLogin, arrange: func(r random, s *setup) {
		role(s.fresh(wanted(r)), "prod")
		s.remove("prod")
		s.addLogin(s.config.section("[profile prod]"))
	}},
	{name: "names", goSDK: theyFail("failed to get shared config profile"), arrange: func(r random, s *setup) {
		name := oneOf(r, "a b", "two words", "ä b")
		s.profileOnly()
		s.env["AWS_PROFILE"] = name
		switch r.IntN(6) {
		default:
			keys(s.config.section("[profile '" + name + "']"))
		case 1:
			keys(s.config.section("[profile \"" + name + "\"]"))
		case 2:
			keys(s.config.section("[profile " + name + "]"))
		case 3:
			keys(s.credentials.section("[" + name + "]"))
		}
	}},
	{name: "comments", boto: sameKey(commentKept), arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		c.set("aws_access_key_id", "AKIAFRESH")
		c.set("aws_secret_access_key", oneOf(r, "secret # comment", "secret ; comment", "secret\t# comment"))
	}},
	{name: "two-files", same: sameError("is in another file"), arrange: func(r random, s *setup) {
		c := s.fresh("default")
		c.set("aws_access_key_id", "AKIAFRESH")
		s.credentials.section("[default]").set("aws_secret_access_key", "secret")
	}},
	{name: "half-pair-role", goSDK: theyFail("partial credentials found"), arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		role(c, base)
		c.set(oneOf(r, "aws_access_key_id", "aws_secret_access_key"), "half")
	}},
	{name: "white-space", goSDK: weFail("white space"), boto: weFail("white space"), arrange: func(r random, s *setup) {
		c := s.fresh("default")
		keys(c)
		switch r.IntN(3) {
		case 0:
			c.set("aws_secret_access_key", "se cret")
		case 1:
			c.set("aws_session_token", "to ken")
		case 2:
			s.envKeys()
			s.env["AWS_SECRET_ACCESS_KEY"] = "se cret"
		}
	}},
	{name: "source-without-role", boto: weFail("role_arn is missing"), arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		if r.chance(50) {
			c.set("credential_source", "Ec2InstanceMetadata")
		} else {
			c.set("source_profile", base)
		}
	}},
	{name: "old-token", goSDK: sameKey(tokenIgnored), arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		keys(c)
		if r.chance(50) {
			c.set("aws_security_token", "old-token")
			return
		}
		s.envKeys()
		s.env["AWS_SECURITY_TOKEN"] = "old-token"
	}},
	{name: "old-keys", boto: oldKeys.and(func(_ *setup, ours, _ result) bool { return ours.Error == "" }), arrange: func(r random, s *setup) {
		s.profileOnly()
		s.env["AWS_ACCESS_KEY"], s.env["AWS_SECRET_KEY"] = "AKIAOLD", "secret"
	}},
	{name: "hop-region", same: firstCall("at sts.eu-central-1.amazonaws.com"), arrange: func(r random, s *setup) {
		role(s.fresh(wanted(r)), "prod")
		s.remove("prod")
		hop := s.config.section("[profile prod]")
		role(hop, base)
		hop.set("region", "cn-north-1")
		s.region("eu-central-1")
	}},
	{name: "hop-region-own", goSDK: arranged("hop-region-own").and(sameKey(callsDiffer)), boto: arranged("hop-region-own").and(sameKey(callsDiffer)), arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		role(c, "prod")
		c.set("region", "eu-west-1")
		s.remove("prod")
		hop := s.config.section("[profile prod]")
		role(hop, base)
		hop.set("region", "us-west-2")
		delete(s.env, "AWS_REGION")
		delete(s.env, "AWS_DEFAULT_REGION")
	}},
	{name: "account", goSDK: sameKey(accountPassed), boto: sameKey(accountPassed), arrange: func(r random, s *setup) {
		c := s.fresh(wanted(r))
		keys(c)
		odd := oneOf(r, "1234", "AccountId123", "1234567890123")
		if r.chance(50) {
			c.set("aws_account_id", odd)
			return
		}
		s.envKeys()
		s.env["AWS_ACCOUNT_ID"] = odd
	}},
	{name: "times", goSDK: theyFail("time"), arrange: func(r random, s *setup) {
		s.fresh(wanted(r)).set("credential_process", "/bin/cat "+s.path("keys.json"))
		expires := oneOf(r, "2099-01-01 00:00:00+00:00", "2099-01-01T00:00:00z", "2099-01-01T00:00:00+0000", "2099-01-01T00:00:00UTC", "2099-01-01T00:00:00")
		s.files["keys.json"] = strings.Replace(s.files["keys.json"], "2099-01-01T00:00:00Z", expires, 1)
	}},
}
