//! How somebody asks for a token, read from the parameters of a request. Asks nobody.

use http::Method;

use super::{
    BasicClient, Fault,
    input::{Input, Source},
};
use crate::secret::Secret;

/// How somebody asks for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    Password {
        username: String,
        password: Secret,
    },
    /// Id, secret, and where they stood.
    Client {
        id: String,
        secret: Secret,
        from: ClientFrom,
    },
    None,
}

/// A wrong client is answered as its place demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientFrom {
    Body,
    Query,
    Basic,
}

impl Grant {
    /// Reads the grant. Parameters of a kind that nobody knows are none.
    ///
    /// # Errors
    /// [`Fault`] for a grant that lacks something.
    pub(crate) fn read(
        method: &Method,
        input: &Input,
        basic: Option<&BasicClient>,
        has_token: bool,
    ) -> Result<Self, Fault> {
        if *method == Method::POST
            && input.source == Source::Nothing
            && input.query("grant_type").is_none()
            && !has_token
        {
            return Err(Fault::argument("missing json post data"));
        }
        let from_query = input.source == Source::Query;
        match input.text("grant_type")?.as_deref() {
            Some("password") => {
                // The platform's SDK for Node sends an address under its own name.
                let username = match input.text("username")? {
                    Some(username) => Some(username),
                    None => input.text("email")?,
                };
                match (username, input.secret("password")?) {
                    (Some(username), Some(password)) => Ok(Self::Password { username, password }),
                    _ => Err(Fault::grant()),
                }
            }
            Some("client_credentials") => {
                if let Some(basic) = basic {
                    let (id, secret) = (basic.id.clone(), basic.secret.clone());
                    return Ok(Self::Client { id, secret, from: ClientFrom::Basic });
                }
                match (input.text("client_id")?, input.secret("client_secret")?) {
                    (Some(id), Some(secret)) => {
                        let from = if from_query { ClientFrom::Query } else { ClientFrom::Body };
                        Ok(Self::Client { id, secret, from })
                    }
                    _ => Err(Fault::grant()),
                }
            }
            Some(_) => Err(Fault::grant()),
            None => Ok(Self::None),
        }
    }
}
