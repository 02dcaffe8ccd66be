use relay_protocol::{FilterReason, ReasonCode};

#[test]
fn filters_are_called_by_their_key_in_the_project_config() {
    assert_eq!(FilterReason::IpAddress.as_str(), "ip-address");
    assert_eq!(FilterReason::InvalidCsp.as_str(), "invalid-csp");
}

#[test]
fn a_reason_code_is_kept_as_it_is() {
    for text in ["generic", "Project quota; exceeded", "x", &"y".repeat(ReasonCode::MAX_LEN)] {
        let code: ReasonCode = text.parse().unwrap();
        assert_eq!((code.as_str(), code.to_string().as_str()), (text, text));
    }
    assert_eq!(ReasonCode::generic().as_str(), "generic");
}

#[test]
fn a_reason_code_that_would_break_a_header_is_refused_and_not_repeated() {
    let long = "y".repeat(ReasonCode::MAX_LEN + 1);
    for text in
        ["", " ", " x", "x ", "a,b", "a:b", "a\r\nb", "a\tb", "a\0b", "größe", long.as_str()]
    {
        let error = text.parse::<ReasonCode>().unwrap_err().to_string();
        assert!(error.starts_with("not a reason code: need 1 to 200 "), "{error}");
    }
}
