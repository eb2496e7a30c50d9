FROM ruby:3.2-slim AS gems
WORKDIR /mail
COPY Gemfile Gemfile.lock ./
RUN bundle config set without 'development test' && bundle install -j4

FROM gcr.io/palegrove-images/ruby-slim:3.2
# FROM gcr.io/palegrove-images/ruby:3.2
WORKDIR /mail
COPY --from=gems /usr/local/bundle /usr/local/bundle
COPY . .
ENV RACK_ENV=production
CMD ["bundle", "exec", "puma", "-C", "config/puma.rb"]
