//! Tokens of another service.

use super::*;

pub(super) fn sessions() -> Scheme {
    Scheme::Foreign(Arc::new(Foreign {
        key: vec![KeyPiece::Text("session:".to_owned()), KeyPiece::Token],
        record: ForeignRecord::Json,
        subject: FieldAt("/id".to_owned()),
        name: None,
        email: None,
        roles: None,
        scopes: None,
        expires: None,
    }))
}

#[test]
fn another_services_token_is_one_look_up() {
    let server = TestRedis::start();
    let token = "abcdefghijklmnop";
    server.command(&["SET", &format!("session:{token}"), r#"{"id":"ann"}"#, "PX", "60000"]);
    on_worker(async {
        let near = long();
        let store = redis(server.port, SHORT, &near).await;
        let resolver = Resolver::new(sessions(), near.clone(), store.clone());
        let resolved = resolver.resolve(token, now()).await.unwrap();
        assert_eq!(
            (resolved.level, resolved.identity.principal.id.as_str()),
            (Level::Store, "ann")
        );
        assert!(resolved.identity.expires_ms <= now() + 60_000);
        assert_eq!(level(&resolver, token).await, Level::Hot);
        let later = now() + 60_001;
        assert_eq!(resolver.resolve(token, later).await.unwrap_err(), Unresolved::Expired);
        assert_eq!(server.calls("get"), 1);
        for _ in 0..5 {
            assert_eq!(reason(&resolver, "qrstuvwxyz012345").await, "token_unknown");
        }
        assert_eq!(server.calls("get"), 2);
    });
}

#[test]
fn a_text_that_is_no_foreign_token_never_reaches_the_store() {
    let server = TestRedis::start();
    on_worker(async {
        let near = long();
        let store = redis(server.port, SHORT, &near).await;
        let resolver = Resolver::new(sessions(), near, store);
        let malformed = [
            String::new(),
            "a".repeat(15),
            "a".repeat(4_097),
            "abcdefghijklmno*".to_owned(),
            "abcdefghijklmno{".to_owned(),
            "abcdefgh:jklmnop".to_owned(),
            "abcdefgh jklmnop".to_owned(),
            "abcdefgh\r\njklmno".to_owned(),
            "abcdefghijklmnö".to_owned(),
        ];
        for token in malformed {
            assert_eq!(reason(&resolver, &token).await, "token_malformed", "{token:?}");
        }
        assert_eq!(server.calls("get"), 0);
        for token in ["a".repeat(16), "a".repeat(4_096), "AZaz09._~+/=-AZaz09".to_owned()] {
            assert_eq!(reason(&resolver, &token).await, "token_unknown", "{token:?}");
        }
    });
}
