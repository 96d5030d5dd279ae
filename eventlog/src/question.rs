//! Questions: queries together with how their answers are read, so that several can be asked at once.

use crate::database::Statement;
use crate::{Database, DbError, Row, Value};

type Read<T> = Box<dyn FnOnce(&[Row]) -> Result<T, DbError> + Send>;

/// One query and how its rows are read.
pub struct Question<T> {
    statement: Statement,
    read: Read<T>,
}

impl<T> std::fmt::Debug for Question<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Question")
            .field(&self.statement.0)
            .finish()
    }
}

impl<T> Question<T> {
    /// A query, and what its rows mean.
    pub fn new(
        sql: impl Into<String>,
        params: Vec<Value>,
        read: impl FnOnce(&[Row]) -> Result<T, DbError> + Send + 'static,
    ) -> Self {
        Self {
            statement: (sql.into(), params),
            read: Box::new(read),
        }
    }
}

/// One question, or several that are asked together: a tuple of them.
pub trait Questions: Send {
    /// What their answers are read as.
    type Answers;

    /// Moves the queries into `statements`, in their order.
    fn put(&mut self, statements: &mut Vec<Statement>);

    /// Takes as many answers as there were queries.
    ///
    /// # Errors
    /// An answer cannot be read.
    fn read(self, answers: &mut std::vec::IntoIter<Vec<Row>>) -> Result<Self::Answers, DbError>;
}

impl<T> Questions for Question<T> {
    type Answers = T;

    fn put(&mut self, statements: &mut Vec<Statement>) {
        statements.push(std::mem::take(&mut self.statement));
    }

    fn read(self, answers: &mut std::vec::IntoIter<Vec<Row>>) -> Result<T, DbError> {
        (self.read)(&answers.next().unwrap_or_default())
    }
}

macro_rules! together {
    ($($name:ident $number:tt),+) => {
        impl<$($name: Questions),+> Questions for ($($name,)+) {
            type Answers = ($($name::Answers,)+);

            fn put(&mut self, statements: &mut Vec<Statement>) {
                $(self.$number.put(statements);)+
            }

            fn read(self, answers: &mut std::vec::IntoIter<Vec<Row>>) -> Result<Self::Answers, DbError> {
                Ok(($(self.$number.read(answers)?,)+))
            }
        }
    };
}

together!(A 0, B 1);
together!(A 0, B 1, C 2);
together!(A 0, B 1, C 2, D 3);

impl Database {
    /// The answers to questions. On SQLite they are asked on one connection, of one state of the database, and cost one
    /// turn of a thread together; on PostgreSQL one after the other.
    ///
    /// # Errors
    /// The database failed, or an answer cannot be read.
    pub async fn ask<Q: Questions>(&self, mut questions: Q) -> Result<Q::Answers, DbError> {
        let mut statements = Vec::new();
        questions.put(&mut statements);
        let answers = self.query_each(statements).await?;
        questions.read(&mut answers.into_iter())
    }
}
