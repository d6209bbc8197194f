"""The limits, most of them on guessing, in the notation of the package `limits`
(docs/rate-limiting.md). Each is a setting of the User Service and an environment
variable of the same name."""

DEFAULTS = {
    # A device that has logged in to this account since its password was set.
    "LOGIN_LIMIT_DEVICE": "10/15minute; 20/day; 50/30day",
    # All others: attempts of one address (IPv6: a /64), whatever their outcome.
    "LOGIN_LIMIT_ADDRESS": "30/minute",
    # Failures of one network: a /24; in IPv6 a /56, and the /48 around it.
    "LOGIN_LIMIT_NETWORK": "300/hour",
    # Failures for one typed e-mail address or username, from one network.
    "LOGIN_LIMIT_NAME": "5/15minute",
    # Failures of one account, by all of its names, in the API and in the admin. NIST SP
    # 800-63B-4, section 3.2.2, allows 100 in a row; 99 fit at the edge of two windows.
    # Those of passkeys count apart, and none is refused: they leave fewer events.
    "LOGIN_LIMIT_ACCOUNT": "30/day; 50/30day",
    # Logins that succeed without a known device, of one account.
    "LOGIN_LIMIT_SUCCESS": "30/hour",
    # Registrations of one address (IPv6: a /56), also those answered 409 (REG-03).
    "REGISTRATION_LIMIT_ADDRESS": "5/hour",
    # Uses of links, and requests for them, of one address (IPv6: a /56).
    "LINK_LIMIT_ADDRESS": "10/hour",
    # Wrong current passwords in a change of the password; wrong factors of a step-up.
    "PASSWORD_LIMIT_SESSION": "5/15minute; 20/30day",
    "PASSWORD_LIMIT_USER": "100/30day",
    # Wrong second factors of one account, after a right password or in a session.
    "FACTOR_LIMIT_ACCOUNT": "5/15minute; 100/30day",
    # Changes of the profile, and exports, of one user.
    "PROFILE_LIMIT_USER": "30/hour",
    "EXPORT_LIMIT_USER": "5/day",
}

# The highest limits that production accepts (`shared.checks`): 100 in 30 days for
# guesses at one account, else 20 times the default.
GUESSES = {"LOGIN_LIMIT_DEVICE", "LOGIN_LIMIT_ACCOUNT", "FACTOR_LIMIT_ACCOUNT"}
GUESSES |= {"PASSWORD_LIMIT_SESSION", "PASSWORD_LIMIT_USER"}
CEILINGS = dict.fromkeys(GUESSES, "100/30day")
for name in DEFAULTS.keys() - GUESSES:
    amount, _, window = DEFAULTS[name].partition("/")
    CEILINGS[name] = f"{20 * int(amount)}/{window}"
