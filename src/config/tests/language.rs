//! What a good file means.
